/**
 * Turns a launch into the text of the shell file that becomes the task. Pure.
 *
 * The file is read by a shell that was forked for this task alone, outside of the task's groups until it enters them. User
 * strings stand in single quotes and nowhere else. The environment is exported by the shell rather than given as arguments
 * of env(1), since arguments can be read by every user of the machine.
 * `env --default-signal` undoes what a shell does to its background jobs: SIGINT and SIGQUIT would be ignored for ever.
 */
import { SECCOMP_FD, chainWords } from './launch-chain.js';
import type { LaunchTools } from './launch-tools.js';
import { SECCOMP_FILE } from './run-journal.js';
import { rightsLine } from './kept-rights.js';
import type { LaunchSpec } from './runtime.js';
import type { TaskSecurity } from './task-security.js';

/** The version of the run directory's files (decision 10). */
export const RUN_DIR_VERSION = 1;
/** Linux refuses a longer argument or environment entry (MAX_ARG_STRLEN). */
export const MAX_STRING_BYTES = 128 * 1024;

export interface LaunchSurroundings {
  readonly bootId: string;
  readonly tools: LaunchTools;
  /** A process that writes `0` into each is inside the task's groups. */
  readonly joinFiles: readonly string[];
  /** Added to the environment of the spec, which wins: how the `process` runtime finds what forked away. */
  readonly markers: Readonly<Record<string, string>>;
  /** Whom to become; null to stay who we are. */
  readonly user: { readonly name: string; readonly uid: number; readonly gid: number } | null;
}

/** Names that some shell treats as its own: handed over by env(1) instead of `export`. */
const SHELL_OWN = /^(_|BASH.*|OPTIND|LINENO|PPID|UID|EUID|SHELLOPTS|PWD|OLDPWD|GROUPS|FUNCNAME|DIRSTACK|RANDOM|SECONDS|ATTY)$/;
/** What a dynamic loader or libc takes for an order (glibc's list for setuid programs): in force only once the rights are those of the task. */
const LOADERS_OWN =
  /^(LD_.*|MALLOC_.*|GCONV_PATH|GETCONF_DIR|GLIBC_TUNABLES|HOSTALIASES|LOCALDOMAIN|LOCPATH|NIS_PATH|NLSPATH|RESOLV_HOST_CONF|RES_OPTIONS|TZDIR|ENV)$/;
const IDENTIFIER = /^[A-Za-z_]\w*$/;
/** Plain words: nothing in them means anything to a shell. */
const PLAIN_WORDS = /^[\w@%+:,./-][\w@%+=:,./-]*( +[\w@%+=:,./-]+)*$/;
/** Words that a shell acts on itself. */
const SHELL_WORDS = new Set(
  (
    'alias bg break case cd command continue do done elif else esac eval exec exit export false fc fg fi for function getopts hash help if in jobs kill let local ' +
    'printf pwd read readonly return select set shift source test then time times trap true type typeset ulimit umask unalias unset until wait while . : echo declare'
  ).split(' '),
);

/** One word for the shell, whatever is in it. */
export const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** Null when it can be launched; otherwise the reason, naming what to change. */
export function refuseSpec(spec: LaunchSpec): string | null {
  const words = spec.command.kind === 'shell' ? [spec.command.line] : spec.command.argv;
  if (words[0] === undefined || words[0] === '') return 'the command is empty: give a command line or at least one argument';
  for (const [name, value] of Object.entries(spec.env)) {
    if (name === '' || name.includes('=')) return `the environment variable "${name}" has no usable name: it must not be empty or hold "="`;
    if (Buffer.byteLength(name) + Buffer.byteLength(value) + 2 > MAX_STRING_BYTES)
      return `the environment variable "${name}" is longer than ${MAX_STRING_BYTES} bytes, the kernel's limit`;
  }
  if (words.some((word) => Buffer.byteLength(word) + 1 > MAX_STRING_BYTES))
    return `an argument of the command is longer than ${MAX_STRING_BYTES} bytes, the kernel's limit`;
  if ([...words, ...Object.entries(spec.env).flat(), spec.sandbox].some((text) => text.includes('\0')))
    return 'the command or its environment holds a NUL character: remove it';
  if (![spec.sandbox, spec.runDir, spec.networkNamespace ?? '/'].every((path) => path.startsWith('/')))
    return 'sandbox, run directory and network namespace have to be absolute paths';
  if (spec.networkNamespace !== undefined && spec.container != null) return 'a container has its network in its own specification';
  if (/[\n\0]/.test(spec.runDir)) return 'the run directory must not have a line break in its path';
  return null;
}

/** The argv of a command. A line of plain words needs no shell: one process less a task, and signals reach the program itself. */
export function commandWords(spec: LaunchSpec, shell: string): readonly string[] {
  if (spec.command.kind === 'argv') return spec.command.argv;
  const line = spec.command.line.trim();
  const words = line.split(/ +/);
  const first = words[0] ?? '';
  const plain = PLAIN_WORDS.test(line) && !SHELL_WORDS.has(first) && !first.includes('=');
  // Without a PATH of its own only a shell has a default to search.
  if (plain && (first.includes('/') || spec.env['PATH'] !== undefined)) return words;
  return [shell, '-c', spec.command.line];
}

/** Not to be exported by a shell that is more than the task: handed over by env(1) as the last thing before the command. */
const isLate = (name: string): boolean => !IDENTIFIER.test(name) || SHELL_OWN.test(name) || LOADERS_OWN.test(name);

function lateEnvironment(env: readonly (readonly [string, string])[], envTool: string): readonly string[] {
  const late = env.filter(([name]) => isLate(name)).map(([name, value]) => `${name}=${value}`);
  return late.length === 0 ? [] : [envTool, '--', ...late];
}

/** For a program that enters a running task: what may be in force at once, and the words that bring the rest. */
export function splitEnvironment(
  env: Readonly<Record<string, string>>,
  envTool: string,
): { readonly early: Readonly<Record<string, string>>; readonly words: readonly string[] } {
  const entries = Object.entries(env);
  return { early: Object.fromEntries(entries.filter(([name]) => !isLate(name))), words: lateEnvironment(entries, envTool) };
}

/** How every launch file opens, up to the task's groups. Each step names in `why` what failed, should it be the last. */
export function openingLines(spec: LaunchSpec, { bootId, tools, joinFiles, user }: LaunchSurroundings): readonly string[] {
  return [
    `# ekiden-run ${RUN_DIR_VERSION} ${bootId}`,
    `why='its sandbox cannot be entered'`,
    `cd ${quote(spec.sandbox)} || exit 126`,
    `why='the log files in its sandbox cannot be opened'`,
    `exec >>stdout 2>>stderr`,
    // Only now: its user's other processes could have put links in the way of what is opened above.
    ...(user === null ? [] : [`why='its sandbox cannot be given to its user'`, `${quote(tools.chown ?? 'chown')} ${user.uid}:${user.gid} . || exit 126`]),
    `why='it cannot enter its control groups'`,
    ...joinFiles.map((file) => `printf 0 >${quote(file)} || exit 126`),
    // The shell does what prlimit(1) would, without a program more.
    ...(spec.limits.nofile === undefined
      ? []
      : [`why='its limit of open files cannot be set: the agent itself may have fewer'`, `ulimit -n ${spec.limits.nofile} || exit 126`]),
  ];
}

/** The whole file; `pid` is written once inside the groups. */
export function planLaunch(spec: LaunchSpec, around: LaunchSurroundings, security: TaskSecurity): string {
  const { tools, user } = around;
  const env = Object.entries({ ...around.markers, ...spec.env });
  const exported = env.filter(([name]) => !isLate(name));
  const words = [
    tools.env,
    ...(tools.envResetsSignals ? ['--default-signal=INT,QUIT'] : []),
    '--',
    tools.setsid,
    '--',
    ...chainWords({ tools, user, security, sandbox: spec.sandbox, network: spec.networkNamespace ?? null }),
    ...lateEnvironment(env, tools.env),
    ...commandWords(spec, tools.shell),
  ];
  const [version = '', ...opening] = openingLines(spec, around);
  return [
    version,
    rightsLine(security),
    ...opening,
    `why='its run directory cannot be written'`,
    `printf 'pid %s\\n' "$stat" >>"$d/run" || exit 126`,
    `trap - EXIT`,
    // cd exported these two.
    `unset PWD OLDPWD`,
    ...(security.hasSeccomp ? [`exec ${SECCOMP_FD}<"$d/${SECCOMP_FILE}"`] : []),
    ...(exported.length === 0 ? [] : [`export ${exported.map(([name, value]) => `${name}=${quote(value)}`).join(' ')}`]),
    `exec ${words.map(quote).join(' ')}`,
    '',
  ].join('\n');
}
