/** An answer of the agent's HTTP as a value, and how its questions are read: what is wrong is named, with the rule and what was sent. */
import { EkidenError } from '@ekiden/model';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: string | Buffer;
}

/** `answered`: the response is already on its way, and is nobody else's business. Null: another path. */
export type Served = Answer | 'answered' | null;

export const json = (status: number, body: unknown): Answer => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** A part of a path. Throws `bad-request` for a stray % sign. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new EkidenError('bad-request', `the path is not well encoded at "${text.slice(0, 80)}"`);
  }
}

export interface IntegerBounds {
  readonly min: number;
  readonly max: number;
  readonly byDefault: number;
}

/** Throws `bad-request`. */
export function integer(query: URLSearchParams, name: string, { min, max, byDefault }: IntegerBounds): number {
  const text = query.get(name);
  if (text === null || text === '') return byDefault;
  const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new EkidenError('bad-request', `${name} is "${text.slice(0, 40)}", but has to be an integer from ${min} to ${max}`);
}
