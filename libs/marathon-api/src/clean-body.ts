/**
 * What every body goes through before its schema: depth is bounded, and `null` means absent (Marathon: 2. JSON rules).
 */
import { EkidenError } from '@ekiden/model';
import { MAX_DEPTH } from './limits.js';

/** Refuses a value nested deeper than `MAX_DEPTH` with `invalid-json`, before anything recurses over it. */
export function assertDepth(value: unknown): void {
  const pending: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (typeof next.value !== 'object' || next.value === null) continue;
    if (next.depth >= MAX_DEPTH) {
      const text = `the body is nested more than ${MAX_DEPTH} levels deep`;
      throw new EkidenError('invalid-json', text, { limit: MAX_DEPTH }, [{ path: '', errors: [text] }]);
    }
    for (const child of Object.values(next.value)) pending.push({ value: child, depth: next.depth + 1 });
  }
}

/** A copy without the keys whose value is null. Call `assertDepth` first. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, child]) => child !== null);
  return Object.fromEntries(kept.map(([key, child]) => [key, withoutNulls(child)]));
}
