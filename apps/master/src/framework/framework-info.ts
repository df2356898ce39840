/**
 * Judges a FrameworkInfo, and reads from it what the master works with. Pure.
 *
 * On SUBSCRIBE a problem becomes an ERROR event, on UPDATE_FRAMEWORK a 400 (Mesos: 1.5 and 1.11 of the reference).
 */
import type { FrameworkInfo } from '@ekiden/mesos';
import { EkidenError, frameworkId, role, type Role } from '@ekiden/model';

/** Largest failover_timeout in seconds that Mesos' durations hold. */
const MAX_FAILOVER_SECONDS = 9_223_372_036;

export type JudgedInfo =
  { readonly kind: 'fine'; readonly roles: readonly Role[]; readonly suppressed: ReadonlySet<Role> } | { readonly kind: 'problem'; readonly text: string };

export function judgeFrameworkInfo(info: FrameworkInfo, suppressedRoles: readonly string[]): JudgedInfo {
  const isMultiRole = info.capabilities?.some(({ type }) => type === 'MULTI_ROLE') === true;
  const roles = info.roles ?? [];
  if (isMultiRole && info.role !== undefined) return problem("'FrameworkInfo.role' must not be set by a framework with the MULTI_ROLE capability");
  if (!isMultiRole && roles.length > 0) return problem("'FrameworkInfo.roles' must not be set by a framework without the MULTI_ROLE capability");
  if (new Set(roles).size < roles.length) return problem(`'FrameworkInfo.roles' names a role twice: ${roles.join(', ')}`);
  const names = isMultiRole ? roles : [info.role ?? '*'];
  const checked: Role[] = [];
  for (const name of names) {
    const text = problemOf(() => void checked.push(role(name)));
    if (text !== null) return problem(`'${name}' is not a valid role name: ${text}`);
  }
  if (info.id !== undefined && info.id.value !== '') {
    const { value } = info.id;
    const text = problemOf(() => frameworkId(value));
    if (text !== null) return problem(text);
  }
  const failover = info.failover_timeout ?? 0;
  if (!(failover >= 0 && failover <= MAX_FAILOVER_SECONDS)) return problem(`The framework's 'failover_timeout' is invalid: ${failover}`);
  const foreign = suppressedRoles.find((name) => !names.includes(name));
  if (foreign !== undefined) return problem(`The suppressed roles must be a subset of the framework's roles: '${foreign}' is not`);
  return { kind: 'fine', roles: checked, suppressed: new Set(checked.filter((name) => suppressedRoles.includes(name))) };
}

/** The framework's info with its id and without what we do not keep; `undefined` roles stay absent. */
export const withId = (info: FrameworkInfo, id: string): FrameworkInfo => ({ ...info, id: { value: id } });

const problem = (text: string): JudgedInfo => ({ kind: 'problem', text });

/** The text of a refused identifier, or null when `check` is content. */
export function problemOf(check: () => unknown): string | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof EkidenError) return error.message;
    throw error;
  }
}
