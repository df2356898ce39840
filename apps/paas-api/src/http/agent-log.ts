/** Logs of tasks as their agents have them: by offset, or as a stream of bytes that is server-sent events. */
import { EVENT_STREAM } from '@ekiden/service';
import { EkidenError } from '@ekiden/model';
import { MAX_LOG_BYTES, UPSTREAM_IDLE_MS, UPSTREAM_TIMEOUT_MS } from './bounds.js';
import { addressOfAgent, bearer } from './nodes.js';
import type { Rim } from './rim.js';

export interface LogRequest {
  readonly taskId: string;
  readonly name: 'stdout' | 'stderr';
  /** -1: the end. */
  readonly offset: number;
  readonly length: number;
}

export interface LogPiece {
  readonly bytes: Buffer;
  readonly offset: number;
  /** The oldest byte that is kept, and the end of the log. */
  readonly begin: number;
  readonly end: number;
  /** Null: the task runs. */
  readonly keptUntil: string | null;
}

/** Throws `task-not-found` or `agent-unavailable`. */
export async function readPiece(rim: Rim, wanted: LogRequest): Promise<LogPiece> {
  if (wanted.offset < 0) {
    const found = await readPiece(rim, { ...wanted, offset: 0, length: 0 });
    return { ...found, bytes: Buffer.alloc(0), offset: found.end };
  }
  const { offset, length } = wanted;
  const place = await placeOf(rim, wanted.taskId);
  const response = await ask(rim, { ...wanted, ...place }, `offset=${offset}&length=${length}`, { signal: AbortSignal.timeout(UPSTREAM_TIMEOUT_MS) });
  const bytes = Buffer.from(await response.arrayBuffer()).subarray(0, MAX_LOG_BYTES);
  const number = (name: string, otherwise: number): number => Number(response.headers.get(`x-ekiden-${name}`) ?? otherwise);
  const at = number('offset', offset);
  return { bytes, offset: at, begin: number('begin', 0), end: number('end', at + bytes.length), keptUntil: response.headers.get('x-ekiden-kept-until') };
}

/**
 * The way to one log, which is open until the signal is given. It may be gone again and again: where the task is, is looked up anew,
 * and remembered for when nobody knows the task any more. Throws `task-not-found`, `too-many-subscribers` or `agent-unavailable`.
 */
export function agentLog(rim: Rim, { taskId, name }: Pick<LogRequest, 'taskId' | 'name'>) {
  let place: LogPlace | null = null;
  return async (offset: number, gone: AbortSignal): Promise<AsyncIterable<Uint8Array>> => {
    place = await placeOf(rim, taskId).catch((error: unknown) => {
      if (place === null) throw error;
      return place;
    });
    const over = new AbortController();
    const signal = AbortSignal.any([gone, over.signal]);
    const giveUp = (ms: number) => rim.clock.after(ms, () => over.abort(new Error(`it said nothing for ${ms} ms`)));
    const timer = giveUp(UPSTREAM_TIMEOUT_MS);
    try {
      const response = await ask(rim, { name, ...place }, `offset=${offset}`, { signal, headers: { accept: EVENT_STREAM } });
      if (response.body === null) throw new EkidenError('agent-unavailable', `the agent at ${place.agentAddress} answered nothing`);
      return chunksOf(response.body, over, () => giveUp(UPSTREAM_IDLE_MS));
    } finally {
      timer.cancel();
    }
  };
}

/** Agents send heartbeats: one that says nothing at all is away, whatever the connection looks like. */
async function* chunksOf(body: ReadableStream<Uint8Array>, over: AbortController, giveUp: () => { cancel(): void }): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const timer = giveUp();
      const { done, value } = await reader.read().finally(() => timer.cancel());
      if (done) return;
      yield value;
    }
  } finally {
    over.abort();
  }
}

interface Question extends LogPlace {
  readonly name: string;
}

async function ask(rim: Rim, { taskId, agentAddress, name }: Question, query: string, init: RequestInit): Promise<Response> {
  if (agentAddress === '') throw new EkidenError('agent-unavailable', `the agent of ${taskId} told no address at which its logs can be read`);
  const url = `http://${agentAddress}/ekiden/v1/tasks/${encodeURIComponent(taskId)}/logs/${name}?${query}`;
  let response: Response;
  try {
    response = await rim.fetch(url, { ...init, headers: { ...bearer(rim.clusterToken), ...Object.fromEntries(new Headers(init.headers)) } });
  } catch (cause) {
    throw new EkidenError('agent-unavailable', `the agent at ${agentAddress} does not answer: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  if (response.ok) return response;
  await response.body?.cancel();
  if (response.status === 404) throw new EkidenError('task-not-found', `the agent at ${agentAddress} has no ${name} of '${taskId}'`, { taskId });
  if (response.status === 503) throw new EkidenError('too-many-subscribers', `as many logs of the agent at ${agentAddress} are followed as it allows`);
  throw new EkidenError('agent-unavailable', `the agent at ${agentAddress} answered ${response.status} when asked for ${name} of ${taskId}`);
}

export interface LogPlace {
  readonly taskId: string;
  readonly agentAddress: string;
}

/** Where the files of a task are: of one that an instance has now, or of the app's last failed one. Ended ones are kept for a while. */
export async function placeOf(rim: Rim, taskId: string): Promise<LogPlace> {
  const { view } = rim.api;
  const all = view
    .apps()
    .flatMap(({ id }) => view.instances(id).flatMap((instance) => ('task' in instance.condition ? [{ instance, task: instance.condition.task }] : [])));
  const own = all.find(({ instance, task }) => task.taskId === taskId || instance.id === taskId);
  if (own !== undefined) return own.task;
  const failure = view
    .apps()
    .map(({ id }) => view.failure(id))
    .find((last) => last?.taskId === taskId);
  if (failure === undefined || failure === null) throw new EkidenError('task-not-found', `Task '${taskId.slice(0, 300)}' does not exist`, { taskId });
  const neighbour = all.find(({ task }) => task.agentId === failure.agentId);
  return { taskId, agentAddress: neighbour?.task.agentAddress ?? (await addressOfAgent(rim, failure.agentId)) };
}
