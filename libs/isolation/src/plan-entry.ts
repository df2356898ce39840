/**
 * The shell text that becomes a command inside a running task. Pure.
 *
 * A shell that was forked for this reads it from a pipe, so that neither the environment nor the command stands in the arguments of a
 * process of ours. It is one function: of a text that was torn off (the agent died) nothing is run. As in a launch file, user strings
 * stand in single quotes and nowhere else, and nothing of the task's environment is in force before the rights are the task's.
 */
import { SECCOMP_FD } from './launch-chain.js';
import type { LaunchTools } from './launch-tools.js';
import { MAX_STRING_BYTES, quote, splitEnvironment } from './plan-launch.js';
import type { ExecSpec, TerminalSize } from './runtime.js';
import type { ResolvedUser } from './users.js';

/** On which the shell reads the text. */
export const ENTRY_FD = 3;

export interface EntryPlan {
  readonly tools: LaunchTools;
  readonly joinFiles: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Between the shell and the command. */
  readonly words: readonly string[];
  readonly argv: readonly string[];
  readonly nofile: number | null;
  /** A filter of system calls, to be opened for bwrap. */
  readonly seccompFile: string | null;
  readonly terminal: TerminalSize | null;
  /** To whom the terminal is given, so that it can be opened again in there by its name; null: it stays ours. */
  readonly terminalOwner: Pick<ResolvedUser, 'uid' | 'gid'> | null;
}

/** What the shell is started with: it runs what it reads. */
export const readEntry = (tools: LaunchTools): string => `eval "$(exec ${quote(tools.cat ?? 'cat')} <&${ENTRY_FD})"`;

/** Null when it can be run; otherwise the reason. */
export function refuseArgv({ argv }: Pick<ExecSpec, 'argv'>): string | null {
  const [program = ''] = argv;
  if (program === '') return 'the command is empty: give at least the name of a program';
  if (program.startsWith('-') || program.includes('=')) return `"${program}" is no program that can be run: its name must not begin with "-" or hold "="`;
  if (argv.some((word) => word.includes('\0'))) return 'the command holds a NUL character: remove it';
  if (argv.some((word) => Buffer.byteLength(word) + 1 > MAX_STRING_BYTES))
    return `an argument of the command is longer than ${MAX_STRING_BYTES} bytes, the kernel's limit`;
  return null;
}

export function planEntry({ tools, joinFiles, cwd, env, words, argv, nofile, seccompFile, terminal, terminalOwner }: EntryPlan): string {
  const { early, words: late } = splitEnvironment(env, tools.env);
  const exported = Object.entries(early);
  return [
    `fail() { printf 'ekiden: %s\\n' "$1" >&2; exit 126; }`,
    'enter() {',
    `cd ${quote(cwd)} || fail 'its sandbox cannot be entered'`,
    ...joinFiles.map((file) => `printf 0 >${quote(file)} || fail 'it cannot enter the control groups of its task'`),
    ...(nofile === null ? [] : [`ulimit -n ${nofile} || fail 'its limit of open files cannot be set'`]),
    ...(terminal === null ? [] : terminalLines(tools, terminal, terminalOwner)),
    ...(seccompFile === null ? [] : [`exec ${SECCOMP_FD}<${quote(seccompFile)} || fail 'the filter of its system calls cannot be opened'`]),
    `exec ${ENTRY_FD}<&-`,
    // Ours until here.
    'unset PWD OLDPWD PATH SHELL',
    ...(exported.length === 0 ? [] : [`export ${exported.map(([name, value]) => `${name}=${quote(value)}`).join(' ')}`]),
    `exec ${[...words, ...late, ...argv].map(quote).join(' ')}`,
    '}',
    'enter',
    '',
  ].join('\n');
}

/** `sane`: whoever made the terminal had none of its own to copy, and left it without echo. */
function terminalLines(tools: LaunchTools, { columns, rows }: TerminalSize, owner: EntryPlan['terminalOwner']): readonly string[] {
  return [
    `${quote(tools.stty ?? 'stty')} sane rows ${rows} cols ${columns} || fail 'its terminal cannot be set up'`,
    ...(owner === null ? [] : [`${quote(tools.chown ?? 'chown')} ${owner.uid}:${owner.gid} /dev/stdin || fail 'its terminal cannot be given to its user'`]),
  ];
}
