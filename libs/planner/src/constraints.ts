/**
 * Placement constraints: may an instance of this app go to this place, given where its siblings are?
 *
 * Marathon's seven operators, all of them ANDed; a field that the place lacks satisfies UNLIKE only. Expressions run on
 * RE2, in time linear in the text: a user's expression cannot hang the scheduler. GROUP_BY follows the released rule (a
 * value not seen yet is fine, else the least filled), which needs no division and so no group count.
 * An acceptance of UNIQUE, MAX_PER and CLUSTER that was lost does not come back while instances are only added; of
 * GROUP_BY it does. match-offer.ts relies on that.
 */
import { assertNever, type Constraint } from '@ekiden/model';
import { RE2JS } from 're2js';
import { fieldValue } from './place.js';
import type { Peer } from './view.js';

/** Verdicts of an expression kept at most; agents have few distinct values. */
const MAX_REMEMBERED_VERDICTS = 10_000;

/** The constraints of one app against a growing set of peers. */
export class ConstraintSet {
  private readonly rules: readonly Rule[];
  /**
   * The fields of GROUP_BY other than the host name: places that agree in them are alike, and of those the host with the
   * fewest instances is refused last.
   */
  readonly groupFields: readonly string[];

  constructor(constraints: readonly Constraint[], peers: Iterable<Peer>) {
    this.rules = constraints.map((constraint) => new Rule(constraint));
    this.groupFields = constraints
      .filter(({ operator, field }) => operator === 'GROUP_BY' && field !== 'hostname' && field !== '@hostname')
      .map((constraint) => constraint.field);
    for (const peer of peers) this.add(peer);
  }

  /** An instance was placed there: it counts from now on. */
  add(peer: Peer): void {
    for (const rule of this.rules) rule.add(fieldValue(peer, rule.constraint.field));
  }

  /** Everything but GROUP_BY. Once false for a place, it stays false. */
  admits(place: Peer): boolean {
    return this.rules.every((rule) => rule.constraint.operator === 'GROUP_BY' || rule.accepts(fieldValue(place, rule.constraint.field)));
  }

  /** GROUP_BY alone. */
  balances(place: Peer): boolean {
    return this.rules.every((rule) => rule.constraint.operator !== 'GROUP_BY' || rule.accepts(fieldValue(place, rule.constraint.field)));
  }

  /** The first constraint that refuses the place, as a sentence; null when all accept. */
  refusal(place: Peer): string | null {
    for (const rule of this.rules) {
      const value = fieldValue(place, rule.constraint.field);
      if (!rule.accepts(value)) return rule.explain(value);
    }
    return null;
  }
}

class Rule {
  private readonly counts = new Map<string, number>();
  private firstValue: string | null = null;
  /** How many values have so many instances; so the least filled is known without a search. */
  private readonly valuesWith = new Map<number, number>();
  private least = 0;
  private readonly expression: RE2JS | null;
  private readonly verdicts = new Map<string, boolean>();

  constructor(readonly constraint: Constraint) {
    this.expression = constraint.operator === 'LIKE' || constraint.operator === 'UNLIKE' ? compile(constraint.value) : null;
  }

  add(raw: string | null): void {
    if (raw === null) return;
    const value = comparable(raw);
    const before = this.counts.get(value) ?? 0;
    this.firstValue ??= value;
    this.counts.set(value, before + 1);
    this.valuesWith.set(before + 1, (this.valuesWith.get(before + 1) ?? 0) + 1);
    if (before > 0) this.valuesWith.set(before, (this.valuesWith.get(before) ?? 0) - 1);
    if (before === 0) this.least = 1;
    else if (before === this.least && this.valuesWith.get(before) === 0) this.least = before + 1;
  }

  accepts(raw: string | null): boolean {
    const { operator, value } = this.constraint;
    if (raw === null) return operator === 'UNLIKE';
    const seen = comparable(raw);
    switch (operator) {
      case 'UNIQUE':
        return !this.counts.has(seen);
      case 'CLUSTER':
        if (value !== null && value !== '') return seen === comparable(value);
        return this.firstValue === null || this.firstValue === seen;
      case 'MAX_PER':
        return (this.counts.get(seen) ?? 0) < integerOf(value);
      case 'GROUP_BY':
        return this.acceptsGroup(seen);
      case 'LIKE':
        return this.matches(seen) === true;
      case 'UNLIKE':
        return this.matches(seen) === false;
      case 'IS':
        return value !== null && decimal(seen) === decimal(value);
    }
    return assertNever(operator);
  }

  explain(raw: string | null): string {
    const { field, operator, value } = this.constraint;
    const name = [field, operator, ...(value === null || value === '' ? [] : [value])].join(' ');
    if (raw === null) return `${name}: this agent has no ${field}`;
    const has = `this agent has ${field}=${raw}`;
    switch (operator) {
      case 'UNIQUE':
        return `${name}: ${has}, where an instance is already`;
      case 'MAX_PER':
        return `${name}: ${has}, where ${this.counts.get(comparable(raw)) ?? 0} are already`;
      case 'GROUP_BY':
        return `${name}: ${has}, where ${this.counts.get(comparable(raw)) ?? 0} are already; another group has ${this.least}`;
      case 'CLUSTER':
        return `${name}: ${has}${value === null || value === '' ? `, the others are on ${this.firstValue ?? 'none'}` : ''}`;
      case 'LIKE':
      case 'UNLIKE':
        return this.expression === null ? `${name}: is not an expression that RE2 can read` : `${name}: ${has}`;
      case 'IS':
        return `${name}: ${has}`;
    }
    return assertNever(operator);
  }

  private acceptsGroup(seen: string): boolean {
    const count = this.counts.get(seen);
    if (count === undefined) return true;
    return this.counts.size >= integerOf(this.constraint.value) && count === this.least;
  }

  /** Null: the expression is broken, and fits nothing. */
  private matches(seen: string): boolean | null {
    if (this.expression === null) return null;
    const known = this.verdicts.get(seen);
    if (known !== undefined) return known;
    if (this.verdicts.size >= MAX_REMEMBERED_VERDICTS) this.verdicts.clear();
    const verdict = this.expression.testExact(seen);
    this.verdicts.set(seen, verdict);
    return verdict;
  }
}

function compile(expression: string | null): RE2JS | null {
  if (expression === null) return null;
  try {
    return RE2JS.compile(expression);
  } catch {
    return null; // explained in the refusal of every place
  }
}

/** Absent or unreadable: 0. */
function integerOf(value: string | null): number {
  const number = value === null ? 0 : Number.parseInt(value, 10);
  return Number.isNaN(number) ? 0 : number;
}

/** Sets and ranges compare by content: `{b,a}` is `{a,b}`, `[5-6,1-2]` is `[1-2,5-6]`. */
function comparable(text: string): string {
  const isSet = text.startsWith('{') && text.endsWith('}');
  const isRange = text.startsWith('[') && text.endsWith(']');
  if (!isSet && !isRange) return text;
  const parts = text
    .slice(1, -1)
    .split(',')
    .map((part) => part.trim());
  if (isSet) parts.sort();
  else parts.sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b));
  return `${text.charAt(0)}${parts.join(',')}${text.charAt(text.length - 1)}`;
}

/** What looks like a number compares as one, with three decimals, halves to even; other text as it is. */
function decimal(text: string): string {
  if (!/^[-+]?\d+(?:\.\d*)?$/.test(text)) return text;
  const scaled = Number(text) * 1000;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  return String(rounded / 1000);
}
