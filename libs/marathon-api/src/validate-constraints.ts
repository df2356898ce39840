/** Marathon's seven constraint operators and what each takes as a value (9.6). Patterns run in RE2: no pattern can hang a matcher. */
import type { Violation } from '@ekiden/model';
import { RE2JS } from 're2js';

const OPERATORS = ['UNIQUE', 'CLUSTER', 'GROUP_BY', 'LIKE', 'MAX_PER', 'UNLIKE', 'IS'];
const IS_VALUE = /^[a-zA-Z0-9_/.-]*$/;
const INTEGER = /^\d{1,9}$/;

export function checkConstraints(constraints: readonly (readonly string[])[]): Violation[] {
  return constraints.flatMap((constraint, index) => {
    const error = constraintError(constraint);
    return error === null ? [] : [{ path: `/constraints(${index})`, errors: [error] }];
  });
}

function constraintError(constraint: readonly string[]): string | null {
  if (constraint.length < 2 || constraint.length > 3) return `a constraint has 2 or 3 fields: field, operator, value; got ${constraint.length}`;
  const [field = '', operator = '', value] = constraint;
  if (field === '') return 'illegal constraint specification: the field must not be empty';
  switch (operator) {
    case 'UNIQUE':
      return value === undefined ? null : 'UNIQUE does not accept a value';
    case 'CLUSTER':
      return null;
    case 'GROUP_BY':
      return value === undefined || INTEGER.test(value) ? null : 'GROUP_BY accepts an integer value or none';
    case 'MAX_PER':
      return value !== undefined && INTEGER.test(value) ? null : 'MAX_PER requires an integer value';
    case 'LIKE':
    case 'UNLIKE':
      return patternError(operator, value);
    case 'IS':
      return value !== undefined && IS_VALUE.test(value) ? null : 'IS accepts only text and float values: letters, digits and _ / . -';
    default:
      return `"${operator}" is no operator: it must be one of ${OPERATORS.join(', ')}`;
  }
}

function patternError(operator: string, value: string | undefined): string | null {
  if (value === undefined || value === '') return `${operator} requires a regular expression`;
  try {
    RE2JS.compile(value);
    return null;
  } catch (cause) {
    return `'${value}' is not a valid regular expression (RE2 syntax): ${cause instanceof Error ? cause.message : String(cause)}`;
  }
}
