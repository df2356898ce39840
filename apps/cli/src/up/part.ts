/**
 * Keeps one part (master, an agent, the API) running as a process of its own, and starts it again when it dies.
 *
 * The process is in a group of its own, so that the terminal's Ctrl-C reaches only `ekiden up`, which stops its parts in
 * order. It ends by itself when the IPC channel to this process is cut. What it says goes to a file, so nothing is lost
 * and nothing blocks when this process is killed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, copyFileSync, existsSync, openSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { CliError, messageOf } from '../cli-error.js';
import type { PartCommand } from './part-commands.js';

const RESTART_DELAYS_MS = { first: 100, last: 5_000 };
/** Running for so long, a part counts as well again: its next end is restarted at once. */
const WELL_AFTER_MS = 10_000;
/** Ends before the part was ever ready until the start is given up. */
const MAX_ENDS_BEFORE_READY = 5;
const STOP_TIMEOUT_MS = 12_000;
const LOG_LIMIT_BYTES = 32 * 1024 * 1024;
const LOG_CHECK_MS = 30_000;
/** Exit code of a part whose options are wrong (libs/service): another try gives the same. */
const EXIT_WRONG_OPTIONS = 2;
/** Lines of its log that are shown when a part cannot start. */
const LOG_TAIL_LINES = 8;

/** End all tasks; `graceMs` 0: at once, absent: each with its own grace period. */
export interface AgentRequest {
  readonly type: 'stop-tasks';
  readonly graceMs?: number;
}

export interface Part {
  readonly name: string;
  readonly pid: number | null;
  /** Resolves with its URL when it first serves; rejects when it cannot start. */
  readonly ready: Promise<string>;
  /** Sends a message and resolves with the first answer of the given type, or null when the part ends or time is up. */
  ask(message: AgentRequest, answerType: string, timeoutMs: number): Promise<unknown>;
  /** SIGTERM, and SIGKILL when that takes too long. Resolves when it is gone; it is not started again. */
  stop(): Promise<void>;
  /** SIGKILL at once. */
  kill(): void;
}

export function startPart(command: PartCommand, logFile: string, tell: (line: string) => void): Part {
  let child: ChildProcess | null = null;
  let isStopping = false;
  let wasReady = false;
  let ends = 0;
  let delayMs = RESTART_DELAYS_MS.first;
  let timer: NodeJS.Timeout | null = null;
  const logWatch = setInterval(() => limitLog(logFile, LOG_LIMIT_BYTES, tell), LOG_CHECK_MS).unref();
  let resolve: (url: string) => void = () => undefined;
  let reject: (error: CliError) => void = () => undefined;
  const ready = new Promise<string>((onReady, onRefused) => {
    resolve = onReady;
    reject = onRefused;
  });
  ready.catch(() => undefined); // who awaits it later still sees the refusal

  /** A full disk or a table of processes without room passes; the whole of Ekiden must not end with it. */
  const run = (): void => {
    try {
      start();
    } catch (error) {
      ended(messageOf(error), null, 0);
    }
  };

  const start = (): void => {
    const startedAt = performance.now();
    const log = openSync(logFile, 'a', 0o600);
    const started = fork(command.script, [...command.args], {
      env: command.env,
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      execArgv: [...command.execArgv],
    });
    closeSync(log);
    child = started;
    started.on('message', (message) => {
      const url = readyUrl(message);
      if (url === null) return;
      if (wasReady) tell(`${command.name}: serves again at ${url}`);
      wasReady = true;
      resolve(url);
    });
    started.on('error', (error) => {
      if (started.pid !== undefined) return tell(`${command.name}: ${error.message}`);
      child = null;
      if (!isStopping) ended(error.message, null, 0);
    });
    started.on('exit', (code, signal) => {
      child = null;
      if (!isStopping) ended(signal ?? `exit ${code}`, code, performance.now() - startedAt);
    });
  };

  const ended = (how: string, code: number | null, ranMs: number): void => {
    ends += 1;
    if (!wasReady && (code === EXIT_WRONG_OPTIONS || ends >= MAX_ENDS_BEFORE_READY)) {
      reject(new CliError(`${command.name} cannot start:\n${tail(logFile)}`, `the whole story is in ${logFile}`));
      return;
    }
    if (ranMs > WELL_AFTER_MS) delayMs = RESTART_DELAYS_MS.first;
    tell(`${command.name}: ended (${how}); starting it again in ${delayMs} ms`);
    timer = setTimeout(run, delayMs);
    delayMs = Math.min(delayMs * 2, RESTART_DELAYS_MS.last);
  };

  run();
  return {
    name: command.name,
    get pid() {
      return child?.pid ?? null;
    },
    ready,
    ask: (message, answerType, timeoutMs) => (child === null ? Promise.resolve(null) : askChild(child, message, answerType, timeoutMs)),
    async stop() {
      isStopping = true;
      clearInterval(logWatch);
      if (timer !== null) clearTimeout(timer);
      if (child !== null) await stopChild(child);
    },
    kill() {
      isStopping = true;
      if (timer !== null) clearTimeout(timer);
      child?.kill('SIGKILL');
    },
  };
}

function readyUrl(message: unknown): string | null {
  if (typeof message !== 'object' || message === null || !('ready' in message) || message.ready !== true) return null;
  return 'url' in message && typeof message.url === 'string' ? message.url : null;
}

function askChild(child: ChildProcess, message: AgentRequest, answerType: string, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    const settle = (answer: unknown): void => {
      clearTimeout(timeout);
      child.off('message', onMessage);
      child.off('exit', onExit);
      resolve(answer);
    };
    const onMessage = (answer: unknown): void => {
      if (typeof answer === 'object' && answer !== null && 'type' in answer && answer.type === answerType) settle(answer);
    };
    const onExit = (): void => settle(null);
    const timeout = setTimeout(onExit, timeoutMs);
    child.on('message', onMessage);
    child.on('exit', onExit);
    if (child.connected) child.send(message);
    else settle(null);
  });
}

function stopChild(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const overdue = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    child.once('exit', () => {
      clearTimeout(overdue);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

/** The file is open in the part with O_APPEND: it is copied and cut, never moved. One old one is kept, if the disk has room for it. */
export function limitLog(logFile: string, maxBytes: number, tell: (line: string) => void): void {
  try {
    if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) < maxBytes) return;
    try {
      rmSync(`${logFile}.1`, { force: true });
      copyFileSync(logFile, `${logFile}.1`);
    } finally {
      truncateSync(logFile, 0);
    }
  } catch (error) {
    tell(`${logFile}: its former part is not kept (${messageOf(error)})`);
  }
}

export function tail(logFile: string): string {
  const text = existsSync(logFile) ? readFileSync(logFile, 'utf8') : '';
  return text
    .trimEnd()
    .split('\n')
    .slice(-LOG_TAIL_LINES)
    .map((line) => `  ${line.slice(0, 400)}`)
    .join('\n');
}
