/**
 * How the parts say no.
 *
 * `EkidenError` is a fault of the caller: a code from one closed union, and the fields that explain it. Status codes,
 * texts and remedies for people live in one table (`libs/marathon-api/src/error-table.ts`), not here.
 * `invariant` marks a bug: the process ends and is restarted, tasks do not notice.
 */
export type ErrorCode =
  | 'invalid-id' // an identifier with a wrong form
  | 'not-json' // a body that cannot be parsed
  | 'invalid-json' // a body of a wrong shape: wrong type, missing key, limit of the schema
  | 'invalid-object' // a body of the right shape that breaks a rule
  | 'not-supported' // a field that we accept in no form yet
  | 'bad-request' // parameters that contradict one another
  | 'app-not-found'
  | 'group-not-found'
  | 'task-not-found'
  | 'version-not-found'
  | 'deployment-not-found'
  | 'queue-item-not-found'
  | 'agent-not-found'
  | 'no-leader'
  | 'app-exists'
  | 'task-not-running' // nothing can be run in it: not yet, or no more
  | 'app-locked' // a running deployment affects the same app
  | 'too-many-deployments'
  | 'too-many-subscribers'
  | 'body-too-large'
  | 'unauthorized'
  | 'forbidden' // there, and for nobody who asks
  | 'forbidden-host' // Host or Origin header of another site
  | 'unsupported-media-type'
  | 'not-acceptable'
  | 'method-not-allowed'
  | 'route-not-found'
  | 'stale-leader' // a newer leader has taken over
  | 'store-unavailable' // Postgres cannot be reached, or the outcome of a commit is unknown
  | 'agent-unavailable' // the agent that has the answer cannot be reached
  | 'limit-exceeded'; // a named bound

/** One broken rule, at the field's path (`/healthChecks(0)/port`), as Marathon writes it. */
export interface Violation {
  readonly path: string;
  readonly errors: readonly string[];
}

export class EkidenError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly fields: Readonly<Record<string, unknown>> = {},
    readonly violations: readonly Violation[] = [],
  ) {
    super(message);
    this.name = 'EkidenError';
  }
}

export class InvariantError extends Error {
  constructor(message: string) {
    super(`bug: ${message}`);
    this.name = 'InvariantError';
  }
}

/** A condition that only a bug can break. Throws; nobody catches it but `main.ts`. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** The end of an exhaustive `switch`: a new kind that nobody handles does not compile. */
export function assertNever(value: never): never {
  throw new InvariantError(`unhandled kind ${JSON.stringify(value)}`);
}
