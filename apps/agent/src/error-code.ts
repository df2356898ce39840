/** The code of a system error (`ENOENT`), or null. Without `instanceof`: Node's errors may come from another realm. */
export const errorCode = (error: unknown): string | null =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : null;
