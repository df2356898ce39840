/** Errors as a sentence: what we tried, then what the system said. Kept apart, since every refusal here ends in it. */
import { types } from 'node:util';

export function reasonOf(error: unknown): string {
  if (!isError(error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`;
}

/** Also true for an error of another realm. */
const isError = (error: unknown): error is Error => types.isNativeError(error);
