/**
 * Reads ids and sub-resources out of a path, which no router can: an app id has any number of parts (Marathon: 1.5).
 *
 * Double slashes and `%2F` mean the same app. The sub-resource is found at the end: `/restart`, `/tasks`, `/versions/{v}`.
 */
import { appId, EkidenError, parseIsoTime, type AppId, type Instant } from '@ekiden/model';

export type AppPath =
  | { readonly kind: 'all' }
  | { readonly kind: 'app'; readonly id: AppId }
  /** All apps below a group; `group` is `/` or absolute. */
  | { readonly kind: 'below'; readonly group: string }
  | { readonly kind: 'tasks-below'; readonly group: string }
  | { readonly kind: 'restart'; readonly id: AppId }
  | { readonly kind: 'tasks'; readonly id: AppId }
  | { readonly kind: 'task'; readonly id: AppId; readonly taskId: string }
  | { readonly kind: 'versions'; readonly id: AppId }
  | { readonly kind: 'version'; readonly id: AppId; readonly version: Instant };

/** The path of a request line, without the query. */
export const pathOf = (url: string): string => url.split(/[?#]/, 1)[0] ?? '/';

/** The non-empty parts behind a prefix, decoded. Throws `invalid-id` for a broken percent encoding. */
export function segmentsAfter(url: string, prefix: string): string[] {
  const rest = pathOf(url).slice(prefix.length);
  try {
    return decodeURIComponent(rest)
      .split('/')
      .filter((part) => part !== '');
  } catch (cause) {
    throw new EkidenError('invalid-id', `the path "${rest.slice(0, 80)}" is not percent-encoded properly`, { cause: String(cause) });
  }
}

/** The path behind `/v2/apps`. Throws `invalid-id` or `invalid-object` with `/id` at what is wrong. */
export function parseAppPath(url: string): AppPath {
  const parts = segmentsAfter(url, '/v2/apps');
  const last = parts.at(-1);
  const beforeLast = parts.at(-2);
  if (last === undefined) return { kind: 'all' };
  if (last === '*') return { kind: 'below', group: groupOf(parts.slice(0, -1)) };
  if (last === 'tasks' && beforeLast === '*') return { kind: 'tasks-below', group: groupOf(parts.slice(0, -2)) };
  if (parts.length > 1 && (last === 'restart' || last === 'tasks' || last === 'versions')) return { kind: last, id: idOf(parts.slice(0, -1)) };
  if (parts.length > 2 && beforeLast === 'tasks') return { kind: 'task', id: idOf(parts.slice(0, -2)), taskId: last };
  if (parts.length > 2 && beforeLast === 'versions') return { kind: 'version', id: idOf(parts.slice(0, -2)), version: versionOf(last) };
  return { kind: 'app', id: idOf(parts) };
}

export const groupOf = (parts: readonly string[]): string => '/' + parts.join('/');

/** The app id of path parts, at `/id` when it is none. */
export function idOf(parts: readonly string[]): AppId {
  try {
    return appId(groupOf(parts));
  } catch (error) {
    if (!(error instanceof EkidenError)) throw error;
    throw new EkidenError('invalid-object', 'Object is not valid', error.fields, [{ path: '/id', errors: [error.message] }]);
  }
}

/** A version as it stands in paths and bodies. Throws `invalid-object`. */
export function versionOf(text: string): Instant {
  const version = parseIsoTime(text);
  if (version === null)
    throw new EkidenError('invalid-object', `"${text.slice(0, 80)}" is not a version: write it as GET …/versions shows it`, { version: text });
  return version;
}
