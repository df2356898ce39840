/**
 * What a runtime gives on this machine, ability by ability, with the reason where it does not: the table behind refusals and `ekiden nodes -v`.
 *
 * Pure: what was found and tried is handed in.
 */
import type { Abilities } from './runtime.js';
import type { SecurityAbilities } from './try-security.js';

const WITHOUT_GROUPS = 'the `process` runtime cannot limit it: run the agent as root on Linux, so that the `cgroup` runtime is chosen';

export function abilitiesOf(kind: 'process' | 'cgroup', tried: SecurityAbilities): Abilities {
  const byGroup = (what: string): string | null => (kind === 'cgroup' ? null : `${what}: ${WITHOUT_GROUPS}`);
  return {
    'cpu-limit': byGroup('a limit of cpus'),
    'memory-limit': byGroup('a limit of memory'),
    'pids-limit': byGroup('a limit of processes'),
    'open-files-limit': null,
    resize: byGroup('a change of cpus or memory while it runs'),
    ...tried,
  };
}
