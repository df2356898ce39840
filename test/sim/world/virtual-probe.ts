/**
 * How a simulated task answers health and readiness probes: in time, late, not at all, or with a failure.
 *
 * Whoever asks one that hangs waits for its own time-out; one that ends while it is asked resets the connection.
 */
import type { Clock, TaskId } from '@ekiden/model';
import type { Probe, ProbeResult } from '../../../apps/agent/src/agent-ports.js';
import type { SimProcess } from './sim-process.js';

const ANSWER_MS = 1;

/** `alive`: what runs on the machine now. `atPort` is called before and after each answer. Of an address, ports are not told apart. */
/** `at`: whose own address this is; null: the machine's. */
export function virtualProbe(clock: Clock, alive: () => Iterable<SimProcess>, atPort: () => void, at: (host: string) => TaskId | null): Probe {
  const ask = (process: SimProcess | undefined, timeoutMs: number, judge: (isWell: boolean) => ProbeResult, stop?: AbortSignal): Promise<ProbeResult> => {
    const now = clock.now();
    const takesMs = process === undefined ? 0 : process.hangsUntil > now ? timeoutMs : process.slowUntil > now ? process.slowMs : ANSWER_MS;
    return new Promise((resolve) => {
      const stopped = (): void => {
        timer.cancel();
        resolve(failed('stopped'));
      };
      const timer = clock.after(Math.min(takesMs, timeoutMs), () => {
        stop?.removeEventListener('abort', stopped);
        atPort();
        resolve(answer());
        atPort();
      });
      stop?.addEventListener('abort', stopped);
    });
    function answer(): ProbeResult {
      if (process === undefined) return failed('connection refused');
      if (process.exit !== null) return failed('connection reset');
      if (takesMs >= timeoutMs) return failed(`timed out after ${timeoutMs} ms`);
      return judge(!process.command.includes('unhealthy') && process.sickUntil <= clock.now());
    }
  };
  const find = (isMeant: (process: SimProcess) => boolean): SimProcess | undefined => {
    for (const process of alive()) if (isMeant(process)) return process;
    return undefined;
  };
  /** Who was asked there last: mostly it is still there, and nobody comes before it. */
  const listeners = new Map<number, SimProcess>();
  const listener = (port: number): SimProcess | undefined => {
    const known = listeners.get(port);
    if (known?.exit === null) return known;
    const found = find((process) => process.listensTo(port));
    if (found === undefined) listeners.delete(port);
    else listeners.set(port, found);
    return found;
  };
  const asked = (host: string, port: number): SimProcess | undefined => {
    const owner = at(host);
    return owner === null ? listener(port) : find((process) => process.taskId === owner);
  };
  return {
    http: ({ host, port, timeoutMs }) => ask(asked(host, port), timeoutMs, (isWell) => httpAnswer(isWell ? 200 : 503)),
    tcp: ({ host, port, timeoutMs }) => ask(asked(host, port), timeoutMs, (isWell) => (isWell ? WELL : failed('connection refused'))),
    command: ({ taskId, timeoutMs, stop }) =>
      ask(
        find((process) => process.taskId === taskId),
        timeoutMs,
        (isWell) => (isWell ? WELL : failed('exit status 1')),
        stop,
      ),
  };
}

const WELL: ProbeResult = { ok: true, cause: null, response: null };

const failed = (cause: string): ProbeResult => ({ ok: false, cause, response: null });

const httpAnswer = (status: number): ProbeResult => ({
  ok: status < 400,
  cause: status < 400 ? null : `HTTP ${status}`,
  response: { status, contentType: 'text/plain', body: '' },
});
