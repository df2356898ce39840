/**
 * Says why a runtime will not start a task that asks for more than this machine gives. Pure.
 *
 * Only what was asked for is refused: a default that the machine cannot keep is shown by the agent and weakens nobody's request.
 */
import { ABILITIES, type Ability } from '@ekiden/model';
import { CAPABILITIES } from './capabilities.js';
import type { Abilities, LaunchSpec } from './runtime.js';

/** What the spec asks for, in the order in which it is refused. */
export function wantedAbilities(spec: LaunchSpec): readonly Ability[] {
  const { limits, security = {}, namespaces = [], privateTmp = false, networkNamespace } = spec;
  const wants: Readonly<Record<Ability, boolean>> = {
    'cpu-limit': limits.cpuLimitMilli !== undefined,
    'memory-limit': limits.memLimitMib !== undefined,
    'pids-limit': limits.pids !== undefined,
    'open-files-limit': limits.nofile !== undefined,
    resize: false,
    user: false, // asked for by name, and refused by what that name turns out to be (users.ts)
    capabilities: security.capabilities !== undefined,
    'no-new-privs': security.noNewPrivs === true,
    seccomp: security.seccomp === 'default',
    namespaces: namespaces.length > 0 || networkNamespace !== undefined,
    'pid-namespace': namespaces.includes('pid'),
    'private-tmp': privateTmp,
  };
  return ABILITIES.filter((ability) => wants[ability]);
}

/** Null when it can be started; otherwise each thing that is not given, with its reason. */
export function refuseWants(spec: LaunchSpec, abilities: Abilities): string | null {
  const refused = wantedAbilities(spec).flatMap((ability) => abilities[ability] ?? []);
  const unknown = (spec.security?.capabilities ?? []).filter((name) => !CAPABILITIES.includes(name)).map((name) => `there is no capability "${name}"`);
  refused.push(...unknown);
  return refused.length === 0 ? null : [...new Set(refused)].join('; ');
}
