/**
 * The programs that a launch goes through between its shell and the task, each of which becomes the next. Pure.
 *
 *   env ─► setsid ─► nsenter (a network) ─► unshare ─► sh (mounts its /tmp) ─► tini ─► bwrap (seccomp) ─► setpriv ─► the command
 *
 * Only setpriv is in every launch. What needs root comes before it. `unshare --pid` and `bwrap` stay as parents and hand the
 * exit status on; a SIGTERM to the group reaches them too: unshare blocks it, and bwrap is made to ignore it, so that the grace
 * is the task's. Without `tini` a first process of a pid namespace would ignore SIGTERM, and its orphans would stay zombies.
 */
import type { LaunchTools } from './launch-tools.js';
import { setprivSet } from './capabilities.js';
import type { TaskSecurity } from './task-security.js';
import type { ResolvedUser } from './users.js';

/** The descriptor on which bwrap reads the filter. */
export const SECCOMP_FD = 9;
/** In the sandbox, and made before the task is started. */
export const PRIVATE_TMP = { '/tmp': '.tmp', '/var/tmp': '.var-tmp' } as const;

/**
 * Run in the sandbox, whose own path may be hidden by the new /tmp: hence the relative paths, and then it is bound to its place
 * again. The task's environment is in force already, so nothing is looked up in its PATH.
 */
const mountScript = (mount: string): string =>
  [
    ...Object.entries(PRIVATE_TMP).map(([at, from]) => `[ ! -d ${at} ] || ${mount} --no-canonicalize --bind ${from} ${at} || exit 126`),
    `[ -z "$1" ] || { PATH=/usr/bin:/bin mkdir -p "$1" && ${mount} --no-canonicalize --bind . "$1" && cd "$1"; } || exit 126`,
    'shift; exec "$@"',
  ].join('\n');

export interface Chain {
  readonly tools: LaunchTools;
  readonly security: TaskSecurity;
  /** Whom to become; null to stay who we are. */
  readonly user: Pick<ResolvedUser, 'name' | 'gid'> | null;
  readonly sandbox: string;
  /** The file of a network namespace to be in; null: the machine's. */
  readonly network: string | null;
}

/** What stands before the command. */
export function chainWords(chain: Chain): readonly string[] {
  const { tools, security, network } = chain;
  return [
    ...(network === null ? [] : [tools.nsenter ?? 'nsenter', `--net=${network}`, '--']),
    ...unshareWords(security, tools),
    ...(security.privateTmp ? tmpWords(chain) : []),
    ...(security.namespaces.includes('pid') ? [tools.tini ?? 'tini', '--'] : []),
    ...(security.hasSeccomp ? seccompWords(tools, 'TERM') : []),
    ...rightsWords(chain),
  ];
}

/** Only the rights: for a process that enters a task that runs already. */
export function rightsWords({ tools, security, user }: Pick<Chain, 'tools' | 'security' | 'user'>): readonly string[] {
  const { capabilities, noNewPrivs } = security;
  const options = [
    ...(user === null ? [] : [`--reuid=${user.name}`, `--regid=${user.gid}`, '--init-groups']),
    ...(noNewPrivs ? ['--no-new-privs'] : []),
    ...(capabilities === 'all' ? [] : capabilityOptions(capabilities, user !== null)),
  ];
  return options.length === 0 ? [] : [tools.setpriv ?? 'setpriv', ...options, '--'];
}

function capabilityOptions(names: readonly string[], becomesUser: boolean): readonly string[] {
  const set = setprivSet(names);
  // Root gets on exec what it may have; another user keeps only what is ambient.
  if (!becomesUser || names.length === 0) return ['--inh-caps=-all', `--bounding-set=${set}`];
  return [`--inh-caps=${set}`, `--ambient-caps=${set}`, `--bounding-set=${set}`];
}

function unshareWords({ namespaces, privateTmp }: TaskSecurity, tools: LaunchTools): readonly string[] {
  const hasPid = namespaces.includes('pid');
  const options = [
    ...(namespaces.includes('mount') || privateTmp || hasPid ? ['--mount', '--propagation=slave'] : []),
    ...(hasPid ? ['--pid', '--fork', '--mount-proc'] : []),
    ...(namespaces.includes('ipc') ? ['--ipc'] : []),
    ...(namespaces.includes('uts') ? ['--uts'] : []),
  ];
  return options.length === 0 ? [] : [tools.unshare ?? 'unshare', ...options, '--'];
}

function tmpWords({ tools, sandbox }: Chain): readonly string[] {
  const isHidden = Object.keys(PRIVATE_TMP).some((place) => sandbox.startsWith(`${place}/`));
  return [tools.shell, '-c', mountScript(tools.mount ?? 'mount'), 'private-tmp', isHidden ? sandbox : ''];
}

/** `ignored`: signals that bwrap, a parent that stays, must not die of; the command gets them. */
export const seccompWords = (tools: LaunchTools, ignored: string): readonly string[] => [
  tools.env,
  `--ignore-signal=${ignored}`,
  tools.bwrap ?? 'bwrap',
  '--dev-bind',
  '/',
  '/',
  '--seccomp',
  String(SECCOMP_FD),
  '--',
  tools.env,
  `--default-signal=${ignored}`,
  '--',
];
