/** Query parameters as Marathon reads them: `true` in any case is true, repeated keys build sets (Marathon: 1.5). */
import { EkidenError } from '@ekiden/model';

/** Of one request's URL. */
export function queryOf(url: string): URLSearchParams {
  const at = url.indexOf('?');
  return new URLSearchParams(at === -1 ? '' : url.slice(at + 1));
}

export function flag(query: URLSearchParams, name: string, byDefault = false): boolean {
  const value = query.get(name);
  return value === null ? byDefault : value.toLowerCase() === 'true';
}

/** An integer within bounds, or the default when absent. Throws `bad-request`. */
export function integer(query: URLSearchParams, name: string, bounds: { readonly min: number; readonly max: number; readonly byDefault: number }): number {
  const text = query.get(name);
  if (text === null || text === '') return bounds.byDefault;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < bounds.min || value > bounds.max) {
    throw new EkidenError('bad-request', `${name} is "${text.slice(0, 40)}", but has to be an integer from ${bounds.min} to ${bounds.max}`, { name });
  }
  return value;
}
