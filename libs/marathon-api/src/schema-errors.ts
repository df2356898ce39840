/** From zod's issues to the tokens and paths that Marathon writes for a body of a wrong shape (Marathon: 3.3). */
import { EkidenError, type Violation } from '@ekiden/model';
import type { z } from 'zod';

type Issue = z.core.$ZodIssue;
/** Violations named in one answer; a body with more is no more readable for it. */
const MAX_VIOLATIONS = 100;

/** Parses, or throws `invalid-json` with every violation at its path. */
export function parseWith<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw invalidJson(result.error.issues.flatMap((issue) => violationsOf(issue, [])));
}

export function invalidJson(violations: readonly Violation[]): EkidenError {
  return new EkidenError('invalid-json', 'Invalid JSON', {}, mergeByPath(violations).slice(0, MAX_VIOLATIONS));
}

/** Several violations of one path become several texts in one entry, in order. */
export function mergeByPath(violations: readonly Violation[]): Violation[] {
  const byPath = new Map<string, string[]>();
  for (const { path, errors } of violations) byPath.set(path, [...(byPath.get(path) ?? []), ...errors]);
  return [...byPath].map(([path, errors]) => ({ path, errors: [...new Set(errors)] }));
}

/** `['healthChecks', 0, 'port']` → `/healthChecks(0)/port`; the whole document is the empty text. */
export const fieldPath = (path: readonly PropertyKey[]): string => path.map((part) => (typeof part === 'number' ? `(${part})` : `/${String(part)}`)).join('');

function violationsOf(issue: Issue, prefix: readonly PropertyKey[]): Violation[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === 'invalid_union') {
    const last = issue.errors[issue.errors.length - 1] ?? [];
    return last.flatMap((inner) => violationsOf(inner, path));
  }
  return [{ path: fieldPath(path), errors: [tokenOf(issue)] }];
}

function tokenOf(issue: Issue): string {
  if (issue.code === 'invalid_type') return issue.message.endsWith('received undefined') ? 'error.path.missing' : expectedToken(issue.expected);
  if (issue.code === 'too_small') return isNumeric(issue.origin) ? 'error.min' : 'error.minLength';
  if (issue.code === 'too_big') return isNumeric(issue.origin) ? 'error.max' : 'error.maxLength';
  if (issue.code === 'invalid_format') return 'error.pattern';
  if (issue.code === 'invalid_value') return 'error.unknown.enum.literal';
  return issue.message; // a check of ours, whose message is the token
}

const isNumeric = (origin: string): boolean => origin === 'number' || origin === 'int' || origin === 'bigint';

function expectedToken(expected: string): string {
  if (expected === 'int') return 'error.expected.int';
  if (expected === 'record' || expected === 'map') return 'error.expected.jsobject';
  return `error.expected.js${expected}`;
}
