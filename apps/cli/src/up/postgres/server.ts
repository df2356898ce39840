/**
 * Keeps one embedded PostgreSQL running on one data directory: adopts it, starts it, restarts it, stops it.
 *
 * The server is in a process group of its own, so that the terminal's Ctrl-C does not reach it, and it outlives the
 * process that started it: the next one adopts it after asking who it is. A new server never starts while processes of
 * the former one are left (they hold its shared memory).
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError } from '../../cli-error.js';
import { identify, isSameProcess, type ProcessIdentity } from '../process-identity.js';
import { askServer, databaseUrl, ensureDatabase, type Passwords } from './database.js';
import { forgetFormerBoot, processesIn, readPostmaster } from './postmaster-pid.js';
import type { RunAs } from './run-as.js';
import { serverArguments } from './server-settings.js';

const START_TIMEOUT_MS = 60_000;
const LEFTOVER_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 25;
const WATCH_MS = 250;
const RESTART_DELAYS_MS = { first: 100, last: 5_000 };
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;

export interface ServerOptions {
  readonly runAs: RunAs;
  readonly passwords: Passwords;
  readonly logFile: string;
  /** Used when no running server is adopted. */
  readonly port: number;
  /** One line for the terminal. */
  readonly tell: (line: string) => void;
}

export interface EmbeddedServer {
  readonly port: number;
  readonly url: string;
  readonly adopted: boolean;
  readonly pid: number;
  /** Stops watching, then the server: waits for transactions no longer than it takes to end them; `now` does not even do that. */
  stop(mode: 'fast' | 'now'): Promise<void>;
}

/** Resolves when the server answers and the database is there; rejects with a `CliError` and leaves nothing behind. */
export async function startServer(options: ServerOptions): Promise<EmbeddedServer> {
  const adopted = await adopt(options);
  const running = adopted ?? (await launch(options));
  await ensureDatabase(running.port, options.passwords);
  const keeper = keep(running, { ...options, port: running.port });
  return {
    port: running.port,
    url: databaseUrl(running.port, options.passwords),
    adopted: adopted !== null,
    get pid() {
      return keeper.pid();
    },
    stop: (mode) => keeper.stop(mode),
  };
}

interface Running {
  readonly process: ProcessIdentity;
  readonly port: number;
}

/** A server that a former start left running, if it is ours. */
async function adopt({ runAs, passwords }: ServerOptions): Promise<Running | null> {
  const found = readPostmaster(runAs.directory);
  const process = found === null ? null : identify(found.pid);
  if (found === null || process === null || !mayBeOurs(found.pid, runAs.directory)) return null;
  for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS; waitedMs += POLL_MS) {
    const answer = await askServer(found.port, runAs.directory, passwords);
    if (answer.kind === 'ours') return { process, port: found.port };
    if (answer.kind === 'no' && processesIn(runAs.directory).includes(found.pid))
      throw new CliError(
        `a server runs on ${runAs.directory}, but it is not to be reached: ${answer.why}`,
        `stop it with \`kill ${found.pid}\`, then start again`,
      );
    if (answer.kind === 'no' || !isSameProcess(process)) return null;
    await sleep(POLL_MS);
  }
  throw new CliError(`the server on ${runAs.directory} (process ${found.pid}) does not come up`, `stop it with \`kill ${found.pid}\`, then start again`);
}

/** A pid may have been given to a stranger, and its port too: whoever is not in the directory is not even asked, since that takes our password. */
const mayBeOurs = (pid: number, directory: string): boolean => process.platform !== 'linux' || processesIn(directory).includes(pid);

async function launch(options: ServerOptions): Promise<Running> {
  const { runAs, passwords, port, logFile } = options;
  await leftoversGone(runAs.directory);
  forgetFormerBoot(runAs.directory);
  rotate(logFile);
  const from = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  const log = openSync(logFile, 'a', 0o600);
  const [program = '', ...args] = [...runAs.prefix, runAs.binaries.postgres, ...serverArguments(runAs.directory, port)];
  const child = spawn(program, args, { cwd: '/', detached: true, stdio: ['ignore', log, log], env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' } });
  closeSync(log);
  child.unref();
  let ended: string | null = null;
  child.on('error', (error) => (ended = error.message));
  child.on('exit', (code, signal) => (ended = `exit ${code ?? signal}`));
  for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS; waitedMs += POLL_MS) {
    if (ended !== null) throw new CliError(`PostgreSQL did not start (${String(ended)}): ${lastComplaint(logFile, from)}`, `see ${logFile}`);
    const answer = child.pid === undefined ? null : await askServer(port, runAs.directory, passwords);
    const started = answer?.kind === 'ours' && child.pid !== undefined ? identify(child.pid) : null;
    if (started !== null) return { process: started, port };
    if (answer?.kind === 'no' && ended === null) {
      child.kill('SIGQUIT');
      throw new CliError(
        `PostgreSQL on ${runAs.directory} refuses its own password: ${answer.why}`,
        'put tokens/ of the data directory back from a copy, or move the data directory away',
      );
    }
    await sleep(POLL_MS);
  }
  child.kill('SIGQUIT');
  throw new CliError(`PostgreSQL is not up after ${START_TIMEOUT_MS / 1000} s`, `see ${logFile}`);
}

async function leftoversGone(directory: string): Promise<void> {
  for (let waitedMs = 0; processesIn(directory).length > 0; waitedMs += POLL_MS) {
    if (waitedMs > LEFTOVER_TIMEOUT_MS)
      throw new CliError(`processes ${processesIn(directory).join(', ')} of a former PostgreSQL hold ${directory}`, 'end them with `kill`, then start again');
    await sleep(POLL_MS);
  }
}

/** Watches by pid, since an adopted server is nobody's child here. */
function keep(first: Running, options: ServerOptions): { pid(): number; stop(mode: 'fast' | 'now'): Promise<void> } {
  let server = first.process;
  let stopping = false;
  let delayMs = RESTART_DELAYS_MS.first;
  const restart = async (): Promise<void> => {
    options.tell(`postgres: process ${server.pid} ended; starting it again in ${delayMs} ms`);
    await sleep(delayMs);
    delayMs = Math.min(delayMs * 2, RESTART_DELAYS_MS.last);
    if (stopping) return;
    try {
      server = (await launch(options)).process;
      delayMs = RESTART_DELAYS_MS.first;
    } catch (error) {
      options.tell(`postgres: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const watch = (async (): Promise<void> => {
    while (!stopping) {
      if (!isSameProcess(server)) await restart();
      else await sleep(WATCH_MS);
    }
  })();
  return {
    pid: () => server.pid,
    async stop(mode) {
      stopping = true;
      await watch;
      await end(server, mode, options.runAs.directory);
    },
  };
}

async function end(server: ProcessIdentity, mode: 'fast' | 'now', directory: string): Promise<void> {
  const { pid } = server;
  if (!isSameProcess(server)) return;
  process.kill(pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
  for (let waitedMs = 0; isSameProcess(server) || processesIn(directory).length > 0; waitedMs += POLL_MS) {
    if (waitedMs === STOP_TIMEOUT_MS && isSameProcess(server)) process.kill(pid, 'SIGQUIT');
    if (waitedMs > STOP_TIMEOUT_MS * 2) throw new CliError(`PostgreSQL (process ${pid}) does not stop`, `end it with \`kill -QUIT ${pid}\``);
    await sleep(POLL_MS);
  }
}

function rotate(logFile: string): void {
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT_BYTES) renameSync(logFile, `${logFile}.1`);
}

function lastComplaint(logFile: string, from: number): string {
  const lines = readFileSync(logFile).subarray(from).toString().trim().split('\n');
  const complaint = lines.findLast((line) => /FATAL|PANIC|error|cannot/i.test(line)) ?? lines.at(-1) ?? '';
  return complaint.replace(/^.*?(FATAL|PANIC|LOG):\s*/, '').slice(0, 300);
}
