/**
 * What a task really gets of rights and of its own view of the machine: what it asked for, else what the operator gives every
 * task, as far as this machine can keep it. Pure.
 *
 * What was asked for and is not given has been refused before (refuse-launch.ts). A default that the machine cannot keep
 * is left out: the agent says so when it starts.
 */
import { type CapabilitySet, ROOT_TASK_CAPABILITIES } from './capabilities.js';
import type { Abilities, LaunchSpec, Namespace } from './runtime.js';

/** The operator's word for tasks that do not ask. */
export interface SecurityDefaults {
  /** Of a task that runs as root; one of another user has none. */
  readonly rootCapabilities: CapabilitySet;
  readonly noNewPrivs: boolean;
  readonly privateTmp: boolean;
}

export const SAFE_DEFAULTS: SecurityDefaults = { rootCapabilities: ROOT_TASK_CAPABILITIES, noNewPrivs: true, privateTmp: false };

export interface TaskSecurity {
  /** `all`: as the agent has them. */
  readonly capabilities: CapabilitySet;
  readonly noNewPrivs: boolean;
  readonly hasSeccomp: boolean;
  readonly namespaces: readonly Namespace[];
  readonly privateTmp: boolean;
}

/** How the task runs: as root, as a user whom it becomes, or as whoever the agent is. */
export type RunsAs = 'root' | 'other-user' | 'agent-user';

type Asked = Pick<LaunchSpec, 'security' | 'namespaces' | 'privateTmp'>;

export function securityOf(
  { security = {}, namespaces = [], privateTmp }: Asked,
  runsAs: RunsAs,
  defaults: SecurityDefaults,
  abilities: Abilities,
): TaskSecurity {
  const view = { namespaces, privateTmp: privateTmp ?? (defaults.privateTmp && abilities['private-tmp'] === null) };
  if (security.isPrivileged === true) return { capabilities: 'all', noNewPrivs: false, hasSeccomp: false, ...view };
  return {
    capabilities: security.capabilities ?? defaultCapabilities(runsAs, defaults, abilities),
    noNewPrivs: security.noNewPrivs ?? (defaults.noNewPrivs && abilities['no-new-privs'] === null),
    hasSeccomp: security.seccomp === 'default',
    ...view,
  };
}

function defaultCapabilities(runsAs: RunsAs, defaults: SecurityDefaults, abilities: Abilities): CapabilitySet {
  if (abilities.capabilities !== null || runsAs === 'agent-user') return 'all';
  return runsAs === 'root' ? defaults.rootCapabilities : [];
}
