/** Logs of a task, read from its agent: a piece as JSON, or followed as plain text until the client goes away. */
import { Readable } from 'node:stream';
import { EkidenError } from '@ekiden/model';
import type { FastifyReply } from 'fastify';
import { sendJson } from './answer.js';
import { LOG_POLL_MS, MAX_FOLLOWERS, MAX_LOG_BYTES, UPSTREAM_TIMEOUT_MS } from './bounds.js';
import { addressOfAgent, bearer } from './nodes.js';
import type { Rim } from './rim.js';

interface Piece {
  readonly bytes: Buffer;
  readonly offset: number;
  readonly size: number;
}

export interface LogRequest {
  readonly taskId: string;
  readonly name: 'stdout' | 'stderr';
  /** -1: the end. */
  readonly offset: number;
  readonly length: number;
}

let followers = 0;

export async function sendLog(rim: Rim, wanted: LogRequest, reply: FastifyReply): Promise<void> {
  const { bytes, offset, size } = await readPiece(rim, wanted);
  const whole = bytes.subarray(0, bytes.length - cutCharacter(bytes));
  const sent = whole.length > 0 ? whole : bytes;
  sendJson(reply, { data: sent.toString('utf8'), offset, nextOffset: offset + sent.length, size });
}

/** How many bytes at the end belong to a UTF-8 character that goes on behind it: they are left to the next piece. */
function cutCharacter(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? back : 0;
  }
  return 0;
}

/** Plain text from `offset` on, for as long as somebody reads and the agent answers. */
export async function followLog(rim: Rim, wanted: LogRequest, reply: FastifyReply): Promise<void> {
  if (followers >= MAX_FOLLOWERS) throw new EkidenError('too-many-subscribers', `${MAX_FOLLOWERS} logs are followed already, which is the limit`);
  const first = await readPiece(rim, wanted);
  followers += 1;
  const body = Readable.from(pieces(rim, wanted, first));
  body.on('close', () => {
    followers -= 1;
  });
  void reply.header('content-type', 'text/plain; charset=utf-8').send(body);
}

async function* pieces(rim: Rim, wanted: LogRequest, first: Piece): AsyncGenerator<Buffer> {
  let piece = first;
  for (;;) {
    if (piece.bytes.length > 0) yield piece.bytes;
    else await new Promise<void>((wake) => void rim.clock.after(LOG_POLL_MS, wake));
    try {
      piece = await readPiece(rim, { ...wanted, offset: piece.offset + piece.bytes.length });
    } catch (error) {
      if (error instanceof EkidenError) return; // the task or its agent is gone: what was there has been sent
      throw error;
    }
  }
}

/** Throws `task-not-found` or `agent-unavailable`. */
async function readPiece(rim: Rim, wanted: LogRequest): Promise<Piece> {
  const { taskId, name } = wanted;
  if (wanted.offset < 0) {
    const { size } = await readPiece(rim, { ...wanted, offset: 0, length: 0 });
    return { bytes: Buffer.alloc(0), offset: size, size };
  }
  const { offset, length } = wanted;
  const task = await placeOf(rim, taskId);
  if (task.agentAddress === '') throw new EkidenError('agent-unavailable', `the agent of ${taskId} told no address at which its logs can be read`);
  const url = `http://${task.agentAddress}/ekiden/v1/tasks/${encodeURIComponent(task.taskId)}/files/${name}?offset=${offset}&length=${length}`;
  let response: Response;
  try {
    response = await rim.fetch(url, { headers: bearer(rim.clusterToken), signal: AbortSignal.timeout(UPSTREAM_TIMEOUT_MS) });
  } catch (cause) {
    throw new EkidenError('agent-unavailable', `the agent at ${task.agentAddress} does not answer: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  if (response.status === 404) throw new EkidenError('task-not-found', `the agent at ${task.agentAddress} has no ${name} of '${taskId}'`, { taskId });
  if (!response.ok)
    throw new EkidenError('agent-unavailable', `the agent at ${task.agentAddress} answered ${response.status} when asked for ${name} of ${taskId}`);
  const bytes = Buffer.from(await response.arrayBuffer()).subarray(0, MAX_LOG_BYTES);
  const at = Number(response.headers.get('x-ekiden-offset') ?? offset);
  return { bytes, offset: at, size: Number(response.headers.get('x-ekiden-size') ?? at + bytes.length) };
}

interface LogPlace {
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
