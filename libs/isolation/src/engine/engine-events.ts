/**
 * Learns from the engine what happens to the containers of this agent: one stream of events for all, and a slow look at everything as the
 * net below. The stream's end is how an engine that goes away is noticed, its beginning how one that is back is.
 */
import { createInterface } from 'node:readline';
import type { Log } from '@ekiden/model';
import { reasonOf } from '../reason-of.js';
import { createBackOff } from './back-off.js';
import { type EngineClient, fieldIn, numberIn, textIn } from './engine-client.js';
import { INSTANCE_LABEL, TASK_LABEL } from './engine-journal.js';

export interface EngineListener {
  /** The first process of its container has ended. `status` null: the event does not say. */
  died(taskId: string, status: number | null): void;
  /** The kernel has killed a process in it for memory. */
  outOfMemory(taskId: string): void;
  /** The stream stands: whatever has happened before has to be looked at. */
  here(): void;
  /** Nothing is heard any more. */
  away(): void;
  /** Time for a look at everything. */
  look(): void;
}

export interface EngineWatch {
  close(): void;
}

const LOOK_EVERY_MS = 30_000;
/** Events of just before the stream are asked for again: an engine may accept it a moment before it listens. */
const OVERLAP_SECS = 10;
const MS_PER_SEC = 1000;

export function watchEngine(client: EngineClient, instance: string, listener: EngineListener, log: Log): EngineWatch {
  const closing = new AbortController();
  const backOff = createBackOff();
  let newestOom = 0;
  const net = setInterval(() => listener.look(), LOOK_EVERY_MS);
  net.unref();

  const listen = async (): Promise<void> => {
    let isHere = true;
    while (!closing.signal.aborted) {
      try {
        await hear(() => {
          if (!isHere) log.info('engine-back', { socket: client.socket });
          isHere = true;
          backOff.reset();
        });
      } catch (error) {
        if (!closing.signal.aborted && isHere) log.warn('engine-away', { socket: client.socket, why: reasonOf(error) });
      }
      if (closing.signal.aborted) return;
      isHere = false;
      listener.away();
      await backOff.wait();
    }
  };

  async function hear(isConnected: () => void): Promise<void> {
    const filters = { type: ['container'], label: [`${INSTANCE_LABEL}=${instance}`], event: ['die', 'died', 'oom'] };
    const since = Math.floor(Date.now() / MS_PER_SEC) - OVERLAP_SECS;
    const answer = await client.stream('GET', `/events?since=${since}&filters=${encodeURIComponent(JSON.stringify(filters))}`, { stop: closing.signal });
    isConnected();
    listener.here();
    for await (const line of createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY })) {
      const event = readEvent(line);
      if (event?.kind === 'died') listener.died(event.taskId, event.status);
      // Each counts once, though it is told again after a connection was broken.
      if (event?.kind === 'oom' && event.at > newestOom) {
        newestOom = event.at;
        listener.outOfMemory(event.taskId);
      }
    }
  }

  void listen();
  return {
    close() {
      clearInterval(net);
      closing.abort();
      backOff.wake();
    },
  };
}

type EngineEvent =
  { readonly kind: 'died'; readonly taskId: string; readonly status: number | null } | { readonly kind: 'oom'; readonly taskId: string; readonly at: number };

/** One line of the stream; null when it says nothing to us. Pure. */
export function readEvent(line: string): EngineEvent | null {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return null;
  }
  const action = textIn(event, 'Action') || textIn(event, 'status');
  const attributes = fieldIn(fieldIn(event, 'Actor'), 'Attributes');
  const taskId = textIn(attributes, TASK_LABEL);
  if (taskId === '') return null;
  if (action === 'oom') return { kind: 'oom', taskId, at: numberIn(event, 'timeNano') };
  if (action !== 'die' && action !== 'died') return null;
  // podman spells it otherwise.
  const status = textIn(attributes, 'exitCode') || textIn(attributes, 'containerExitCode');
  return { kind: 'died', taskId, status: /^\d{1,3}$/.test(status) ? Number(status) : null };
}
