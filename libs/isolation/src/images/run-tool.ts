/**
 * Runs one of the programs that bring images, with bounds: what it says, how long it takes, and that it makes progress.
 *
 * It has a process group of its own, which is killed as a whole, and dies with this agent, however that ends: the next one empties the
 * directory in which it works. Nothing of the agent's environment reaches it: an operator's login of
 * some other day is no permission for tasks.
 */
import { spawn } from 'node:child_process';
import { signalProcess } from '../proc.js';

export interface ToolRun {
  /** setpriv(1), by which the program asks to die with its parent. */
  readonly setpriv: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Its HOME and TMPDIR. */
  readonly home: string;
  readonly stop: AbortSignal;
  /** How long it may go without progress. */
  readonly stallMs: number;
  /** Grows while there is progress; asked each `LOOK_MS`. Absent: the bound is for all of the run. */
  progress?(): number;
  /** Asked as often: a text ends the run with that reason. */
  refuse?(): string | null;
}

/** Said when a run goes without progress: the caller knows what was waited for. */
export class Stalled extends Error {}

const LOOK_MS = 500;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const MAX_ERROR_BYTES = 16 * 1024;
/** However much progress there is. */
const LONGEST_RUN_MS = 60 * 60 * 1000;

/** Answers what it printed. Rejects with what it complained about. */
export function runTool(run: ToolRun): Promise<Buffer> {
  run.stop.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(run.setpriv, ['--pdeathsig', 'KILL', '--', run.program, ...run.args], {
      cwd: run.home,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: run.home, TMPDIR: run.home, LC_ALL: 'C.UTF-8', ...proxies() },
    });
    const output: Buffer[] = [];
    let size = 0;
    let complaint = '';
    let ended: Error | null = null;
    const end = (why: Error): void => {
      ended ??= why;
      if (child.pid !== undefined) signalProcess(-child.pid, 'SIGKILL');
    };
    const aborted = (): void => end(new Error('it was stopped'));
    const watch = watchProgress(run, end);
    run.stop.addEventListener('abort', aborted, { once: true });
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT_BYTES) end(new Error(`its answer is larger than ${MAX_OUTPUT_BYTES} bytes`));
      else output.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString('utf8')).slice(-MAX_ERROR_BYTES)));
    const over = (error: Error | null): void => {
      clearInterval(watch);
      run.stop.removeEventListener('abort', aborted);
      if (error === null) resolve(Buffer.concat(output));
      else reject(error);
    };
    child.on('error', (error) => over(ended ?? error));
    child.on('close', (code, signal) => over(ended ?? (code === 0 ? null : new Error(readComplaint(complaint) ?? `it ended with ${signal ?? code}`))));
  });
}

function watchProgress(run: ToolRun, end: (why: Error) => void): NodeJS.Timeout {
  const begun = performance.now();
  const { stallMs } = run;
  let last = run.progress?.() ?? 0;
  let lastAt = begun;
  return setInterval(
    () => {
      const now = performance.now();
      const seen = run.progress?.() ?? 0;
      if (seen !== last) [last, lastAt] = [seen, now];
      const refusal = run.refuse?.() ?? null;
      if (refusal !== null) end(new Error(refusal));
      else if (now - lastAt > stallMs) end(new Stalled(`nothing came for ${Math.round(stallMs / 1000)} s`));
      else if (now - begun > LONGEST_RUN_MS) end(new Stalled(`it took longer than ${LONGEST_RUN_MS / 60_000} minutes`));
    },
    Math.min(LOOK_MS, stallMs),
  );
}

/** The way to the outside is the machine's business, and nobody's secret of a task. */
function proxies(): Record<string, string> {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] ?? '']])));
}

/** Pure: the `msg` of its last fatal line, else the last line; null when it said nothing. */
export function readComplaint(text: string): string | null {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const last = lines.findLast((line) => /level=(fatal|error)/.test(line)) ?? lines.at(-1);
  if (last === undefined) return null;
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(last)?.[1]?.replaceAll(/\\(["\\])/g, '$1') ?? last.trim();
  return message.replace(/^Error parsing image name "[^"]*": /, '');
}
