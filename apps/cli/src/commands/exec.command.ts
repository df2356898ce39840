/**
 * `ekiden exec`: a command inside a running instance, with this terminal if it is asked for.
 *
 * The terminal is given back as it was, however this ends: by itself, by a signal, or by a fault of ours.
 */
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import type { Command } from 'commander';
import { runInTask, EXIT_NOT_RUN, type RemoteEnd, type TerminalSize } from '../api/exec-stream.js';
import { readTarget } from '../api/http.js';
import { CliError } from '../cli-error.js';
import { absolute } from '../api/ekiden-api.js';
import type { Terminal } from './context.js';
import { isTaskId } from './kill.command.js';

interface ExecOptions {
  readonly interactive: boolean;
  readonly tty: boolean;
}

/** A screen that says nothing of itself is taken for this. */
const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };
/** Out of what a full-screen program may have left behind: its second screen, a hidden cursor, marked pastes, the mouse. */
const OUT_OF_MODES = '\u001b[?1049l\u001b[?25h\u001b[?2004l\u001b[?1000l\u001b[?1006l';
const ENDING_SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const;

export function execCommand(program: Command, terminal: Terminal): void {
  program
    .command('exec')
    .argument('<app|task>', 'an app, an app and how its instance begins (/shop/web/5cb1), or a task')
    .argument('<command...>', 'what to run; behind `--`, so that its options are its own')
    .summary('run a command in a running instance')
    .description(
      'Runs a command where an instance runs: as its user, in its directory, with its environment, rights and limits. It ends with the instance, and with this ekiden.',
    )
    .option('-i, --interactive', 'pass on what comes from stdin', false)
    .option('-t, --tty', 'give it this terminal', false)
    .addHelpText(
      'after',
      `
Exit code: that of the command, 128 and the number of the signal that ended it, or ${EXIT_NOT_RUN} if it could not be run or was lost sight of.

Examples:
  ekiden exec -it /shop/web -- bash
  ekiden exec /shop/web/5cb1 -- ps -ef
  ekiden exec -i /shop/web -- sh -c 'cat >dump.sql' <dump.sql`,
    )
    .action(async (where: string, argv: readonly string[], options: ExecOptions, command: Command) => {
      const { api } = command.optsWithGlobals<{ api?: string }>();
      const end = await runWith(readTarget(api, terminal.env), pathOf(where), argv, options, terminal);
      if (end.reason !== null) terminal.tell(`ekiden: the command was ended: ${end.reason}`);
      terminal.exitWith(codeOf(end));
    });
}

async function runWith(target: ReturnType<typeof readTarget>, path: string, argv: readonly string[], options: ExecOptions, { env }: Terminal) {
  const { stdin, stdout, stderr } = process;
  if (options.tty && !(stdin.isTTY && stdout.isTTY)) throw new CliError('-t needs a terminal, and this is none', 'leave -t out', EXIT_NOT_RUN);
  const size = (): TerminalSize => ({ columns: stdout.columns || DEFAULT_SIZE.columns, rows: stdout.rows || DEFAULT_SIZE.rows });
  const type = /^[\w.+-]{1,64}$/.exec(env.TERM ?? '')?.[0] ?? 'xterm';
  /** How it is given back, once it was taken. */
  const taken: (() => void)[] = [];
  try {
    return await runInTask(target, path, {
      argv,
      input: options.tty || options.interactive ? stdin : null,
      output: stdout,
      errors: stderr,
      terminal: options.tty ? { type, ...size() } : null,
      started: () => {
        if (options.tty) taken.push(takeTerminal());
      },
      onResize: (tell) => {
        if (options.tty) stdout.on('resize', () => tell(size()));
      },
    });
  } catch (error) {
    if (taken.length > 0) stdout.write(OUT_OF_MODES);
    throw error;
  } finally {
    for (const giveBack of taken) giveBack();
  }
}

/** Every key goes to the command, Ctrl-C too. Answers how the terminal is given back. */
function takeTerminal(): () => void {
  const { stdin } = process;
  const giveBack = (): void => void stdin.setRawMode(false);
  const die = (signal: NodeJS.Signals): void => {
    giveBack();
    process.exit(128 + constants.signals[signal]);
  };
  process.on('exit', giveBack);
  for (const signal of ENDING_SIGNALS) process.on(signal, die);
  stdin.setRawMode(true);
  // What Node leaves on: line feeds would become two characters, and move the cursor of full-screen programs where it does not belong.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  return () => {
    giveBack();
    process.off('exit', giveBack);
    for (const signal of ENDING_SIGNALS) process.off(signal, die);
  };
}

function pathOf(where: string): string {
  if (isTaskId(where)) return `/ekiden/v1/tasks/${encodeURIComponent(where)}/exec`;
  const parts = absolute(where)
    .split('/')
    .filter((part) => part !== '');
  if (parts.length === 0) throw new CliError(`"${where}" names no app`, '`ekiden apps` lists what there is', EXIT_NOT_RUN);
  return `/ekiden/v1/apps/${parts.map((part) => encodeURIComponent(part)).join('/')}/exec`;
}

const codeOf = ({ code, signal }: RemoteEnd): number => code ?? 128 + (Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? 0);
