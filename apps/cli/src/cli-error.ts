/** A refusal of the command line: what is wrong in one line, the way out in the next, and the exit code. */

/** 0 done, 1 refused or failed, 2 a deployment is stuck, 130 interrupted. */
export const EXIT = { done: 0, failed: 1, stuck: 2, interrupted: 130 } as const;

export class CliError extends Error {
  /** @param hint What to do next, as a sentence without a full stop; null when the message says it. */
  constructor(
    message: string,
    readonly hint: string | null = null,
    readonly exitCode: number = EXIT.failed,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'CliError';
  }
}

/** The `code` of a system or database error (`ENOENT`), or null. */
export function systemErrorCode(error: unknown): string | null {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

export const messageOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string' && error.message !== ''
    ? error.message
    : String(error);
