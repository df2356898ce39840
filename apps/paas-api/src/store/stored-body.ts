/**
 * How a row of ours becomes JSON in Postgres and comes back: with the version of its form as `v` (decision 10).
 *
 * A change of form raises `BODY_VERSION` and adds a reader of the previous one here; a newer form is refused.
 */
import type { StoredBody } from './paas-entities.js';

export const BODY_VERSION = 1;

export const toBody = (row: object): StoredBody => ({ v: BODY_VERSION, ...row });

/**
 * Reads what `toBody` wrote. Throws on a form that this version does not know. The type is the caller's word: only this
 * folder writes these columns, and always with `toBody`.
 */
export function fromBody<T extends object>(what: string, body: unknown): T {
  if (typeof body !== 'object' || body === null || !('v' in body)) throw new Error(`${what}: the stored body has no format version`);
  const { v, ...row } = body;
  if (v !== BODY_VERSION) throw new Error(`${what}: stored in format ${String(v)}, this version reads ${BODY_VERSION}: start the newer Ekiden again`);
  return row as T;
}

/** What Postgres' JSON does not take: NUL, and halves of surrogate pairs. `\\` is matched so that `\\u0000` (text) stays. */
const UNSTORABLE = /\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g;

/** JSON that Postgres accepts, whatever a task printed: what it cannot store becomes U+FFFD. */
export function toStorableJson(value: unknown): string {
  const text = JSON.stringify(value);
  return /\\u(?:0000|d[89a-f])/.test(text) ? text.replaceAll(UNSTORABLE, (found) => (found === '\\\\' ? found : '\\ufffd')) : text;
}
