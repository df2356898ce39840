/**
 * The one registry of identifiers.
 *
 * Each id is a branded string: a function that takes an AppId cannot be handed a TaskId by accident. Constructors check
 * the form and throw `EkidenError('invalid-id')`; use them where text enters (HTTP, wire, rows), never a bare cast.
 * Forms follow Marathon 1.8 and later: `<safePath>.instance-<uuid>` and `<instanceId>._app.<incarnation>`.
 */
import { EkidenError } from './errors.js';

export type AppId = string & { readonly __brand: 'AppId' };
export type InstanceId = string & { readonly __brand: 'InstanceId' };
export type TaskId = string & { readonly __brand: 'TaskId' };
export type AgentId = string & { readonly __brand: 'AgentId' };
export type OfferId = string & { readonly __brand: 'OfferId' };
export type FrameworkId = string & { readonly __brand: 'FrameworkId' };
export type DeploymentId = string & { readonly __brand: 'DeploymentId' };
export type Role = string & { readonly __brand: 'Role' };

/** The longest app id accepted, in characters. Marathon has no limit; task ids, which embed it, end at 255 in Mesos. */
export const MAX_APP_ID_LENGTH = 180;

const SEGMENT = /^(?:(?:[a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])\.)*(?:[a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])$/;
const RESERVED_LAST_SEGMENTS = new Set(['restart', 'tasks', 'versions', '.', '..']);
const MESOS_ID = /^[^/\\\p{Cc}]{1,255}$/u;

/** An absolute app path such as `/shop/web`. Throws `invalid-id` and names the offending part. */
export function appId(raw: string): AppId {
  if (!raw.startsWith('/')) throw invalid('app id', raw, 'has to be absolute: start with "/"');
  if (raw.length > MAX_APP_ID_LENGTH) throw invalid('app id', raw.slice(0, 40) + '…', `has ${raw.length} characters, at most ${MAX_APP_ID_LENGTH} are allowed`);
  const segments = raw.slice(1).split('/');
  for (const segment of segments) {
    if (!SEGMENT.test(segment)) throw invalid('app id', raw, `part "${segment}" may hold lower-case letters, digits, inner "-" and "." only`);
  }
  const last = segments[segments.length - 1] ?? '';
  if (RESERVED_LAST_SEGMENTS.has(last)) throw invalid('app id', raw, `must not end with "${last}", which is reserved`);
  return raw as AppId;
}

/** Makes a path absolute against a base group (`..` and `.` allowed in `raw`); does not check the segments. */
export function resolvePath(raw: string, base: string): string {
  const parts = raw.startsWith('/') ? [] : base.split('/').filter((part) => part !== '');
  for (const part of raw.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return '/' + parts.join('/');
}

/** `/shop/web` → `shop_web`; unambiguous, since `_` is illegal in app ids. */
export const safePath = (id: AppId): string => id.slice(1).replaceAll('/', '_');

/** `/shop/web` → `web.shop`: the task and discovery name that Marathon gives. */
export const taskName = (id: AppId): string => id.slice(1).split('/').reverse().join('.');

/** The team of an app is the first element of its path; quotas are accounted by it. */
export const teamOf = (id: AppId): string => id.slice(1).split('/')[0] ?? '';

export const newInstanceId = (id: AppId, uuid: string): InstanceId => `${safePath(id)}.instance-${uuid}` as InstanceId;

export const newTaskId = (instance: InstanceId, incarnation: number): TaskId => `${instance}._app.${incarnation}` as TaskId;

export interface ParsedTaskId {
  readonly appId: AppId;
  readonly instanceId: InstanceId;
  readonly incarnation: number;
}

/**
 * Reads a task id of ours, `<path>.instance-<uuid>._app.<incarnation>`, or null when it has another form (a stranger's task). Every
 * status passes here: it is cut at its points, which is some times as fast as a regular expression.
 */
export function parseTaskId(raw: string): ParsedTaskId | null {
  const end = raw.lastIndexOf('._app');
  const start = end < 1 ? -1 : raw.lastIndexOf('.', end - 1);
  const tail = raw.slice(end + '._app'.length);
  const kind = raw.startsWith('.instance-', start) || raw.startsWith('.marathon-', start);
  if (start < 1 || !kind || end === start + '.instance-'.length || !/^(\.\d+)?$/.test(tail)) return null;
  return {
    appId: ('/' + raw.slice(0, start).replaceAll('_', '/')) as AppId,
    instanceId: raw.slice(0, end) as InstanceId,
    incarnation: tail === '' ? 1 : Number(tail.slice(1)),
  };
}

export const instanceId = (raw: string): InstanceId => mesosId('instance id', raw) as InstanceId;
export const taskId = (raw: string): TaskId => mesosId('task id', raw) as TaskId;
export const agentId = (raw: string): AgentId => mesosId('agent id', raw) as AgentId;
export const offerId = (raw: string): OfferId => mesosId('offer id', raw) as OfferId;
export const frameworkId = (raw: string): FrameworkId => mesosId('framework id', raw) as FrameworkId;
export const deploymentId = (raw: string): DeploymentId => mesosId('deployment id', raw) as DeploymentId;

/** `*`, or a Mesos role name: path elements without blanks, `.`, `..`, `*` or a leading `-`. */
export function role(raw: string): Role {
  if (raw === '*') return raw as Role;
  const parts = raw.split('/');
  const bad =
    raw === '' || parts.some((part) => part === '' || part === '.' || part === '..' || part === '*' || part.startsWith('-') || /[\s\u0008]/.test(part));
  if (bad) throw invalid('role', raw, 'is not a valid role name');
  return raw as Role;
}

function mesosId(what: string, raw: string): string {
  if (!MESOS_ID.test(raw) || raw === '.' || raw === '..')
    throw invalid(what, raw.slice(0, 80), 'has 1 to 255 characters, none of them "/", "\\" or a control character');
  return raw;
}

function invalid(what: string, value: string, rule: string): EkidenError {
  return new EkidenError('invalid-id', `${what} "${value}" ${rule}`, { what, value });
}
