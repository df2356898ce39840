/** What a task can ask of its machine beyond being run. Agents say which of these they lack, so that who places tasks need not try. */
export const ABILITIES = [
  'cpu-limit',
  'memory-limit',
  'pids-limit',
  'open-files-limit',
  'resize',
  'user',
  'capabilities',
  'no-new-privs',
  'seccomp',
  'namespaces',
  'pid-namespace',
  'private-tmp',
] as const;

export type Ability = (typeof ABILITIES)[number];
