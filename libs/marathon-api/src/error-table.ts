/**
 * The one table from error codes to what a client sees: status, shape of the body, and the way out.
 *
 * Shapes are Marathon's (section 3). `remedy` is for people: the CLI prints it, the docs list it, bodies leave it out when
 * Marathon's shape has no place for it.
 */
import type { EkidenError, ErrorCode } from '@ekiden/model';

export interface ErrorEntry {
  readonly status: number;
  readonly remedy: string;
}

export const ERROR_TABLE: Readonly<Record<ErrorCode, ErrorEntry>> = {
  'invalid-id': { status: 422, remedy: 'write ids as /team/name, with lower-case letters, digits, inner "-" and "."' },
  'not-json': { status: 400, remedy: 'send one JSON document with Content-Type: application/json' },
  'invalid-json': { status: 422, remedy: 'correct the types and limits of the fields that details names' },
  'invalid-object': { status: 422, remedy: 'correct the fields that details names' },
  'not-supported': { status: 422, remedy: 'leave out the fields that details names, or use what it says instead' },
  'bad-request': { status: 400, remedy: 'leave out one of the parameters that contradict one another' },
  'app-not-found': { status: 404, remedy: 'see GET /v2/apps, or `ekiden apps`, for the apps that exist' },
  'group-not-found': { status: 404, remedy: 'see GET /v2/groups for the groups that exist' },
  'task-not-found': { status: 404, remedy: 'see GET /v2/tasks for the tasks that exist; it may have ended' },
  'version-not-found': { status: 404, remedy: 'see GET /v2/apps/{id}/versions for the versions that are kept' },
  'deployment-not-found': { status: 404, remedy: 'it has ended: see GET /ekiden/v1/deployments for the history' },
  'queue-item-not-found': { status: 404, remedy: 'nothing of it waits to be launched: see GET /v2/queue' },
  'agent-not-found': { status: 404, remedy: 'see `ekiden nodes` for the agents that are known' },
  'no-leader': { status: 404, remedy: 'wait until one of the processes leads: `ekiden up` restarts them by itself' },
  'app-exists': { status: 409, remedy: 'use PUT to change it, or choose another id' },
  'task-not-running': { status: 409, remedy: 'wait until it runs: `ekiden why APP` says what it waits for' },
  'app-locked': { status: 409, remedy: 'wait for the deployment, or repeat with force=true, which cancels it' },
  'too-many-deployments': { status: 403, remedy: 'wait until a running deployment has ended' },
  'too-many-subscribers': { status: 503, remedy: 'close a stream that nobody reads, and try again' },
  'body-too-large': { status: 413, remedy: 'send less in one request; large files belong into fetch' },
  unauthorized: { status: 401, remedy: 'send Authorization: Bearer with the token of the token file' },
  forbidden: { status: 403, remedy: 'ask for something else: this is shown to nobody' },
  'forbidden-host': { status: 403, remedy: 'use the address that this process was started with, or add the name to its allowed hosts' },
  'unsupported-media-type': { status: 415, remedy: 'send Content-Type: application/json' },
  'not-acceptable': { status: 406, remedy: 'accept application/json' },
  'method-not-allowed': { status: 405, remedy: 'see /docs for the methods of this path' },
  'route-not-found': { status: 404, remedy: 'see /docs for the paths that exist' },
  'stale-leader': { status: 503, remedy: 'another process leads now: repeat the request' },
  'store-unavailable': { status: 503, remedy: 'the database cannot be reached: look at its log, then repeat the request and check what it did' },
  'agent-unavailable': { status: 502, remedy: 'the agent does not answer: see `ekiden nodes`, and try again' },
  'limit-exceeded': { status: 422, remedy: 'stay under the limit that the message names' },
};

export interface ErrorAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The answer to a request that failed so. */
export function errorBody(error: EkidenError): ErrorAnswer {
  const { status } = ERROR_TABLE[error.code];
  return { status, body: { message: error.message, ...detailsOf(error) } };
}

const WITH_VIOLATIONS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['invalid-json', 'invalid-object', 'not-supported']);
/** Marathon's resources write an empty list with what they did not find. */
const WITH_EMPTY_DETAILS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'app-not-found',
  'group-not-found',
  'task-not-found',
  'version-not-found',
  'deployment-not-found',
  'queue-item-not-found',
  'no-leader',
]);

function detailsOf(error: EkidenError): Readonly<Record<string, unknown>> {
  if (error.code === 'not-json') return { details: typeof error.fields['details'] === 'string' ? error.fields['details'] : error.message };
  if (error.code === 'app-locked') return { deployments: deploymentsOf(error.fields['deployments']) };
  if (WITH_VIOLATIONS.has(error.code)) return error.violations.length > 0 ? { details: error.violations } : {};
  return WITH_EMPTY_DETAILS.has(error.code) ? { details: [] } : {};
}

/** Accepts ids as text or as `{id}`. */
function deploymentsOf(value: unknown): readonly { readonly id: string }[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown) => {
    if (typeof item === 'string') return [{ id: item }];
    if (typeof item === 'object' && item !== null && 'id' in item && typeof item.id === 'string') return [{ id: item.id }];
    return [];
  });
}
