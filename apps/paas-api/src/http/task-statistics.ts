/**
 * What tasks use, asked of their agents: one request an agent, however many tasks it has, so many agents at a time.
 *
 * An agent that does not answer in time costs its own tasks and no others: the answer names it, with the reason.
 * Not to be mistaken for `embed=taskStats`, which counts tasks and their ages as Marathon does.
 */
import { EkidenError, isoTime, safePath, type AppId, type Instance, type TaskRef } from '@ekiden/model';
import { z } from 'zod';
import { placeOf } from './agent-log.js';
import { AGENTS_ASKED_AT_ONCE, MAX_STATISTICS_BYTES, STATISTICS_DEADLINE_MS, STATISTICS_TIMEOUT_MS } from './bounds.js';
import { bearer } from './nodes.js';
import type { Rim } from './rim.js';
import type { Json } from './stored-definition.js';

const usedSchema = z.looseObject({ taskId: z.string(), recent: z.looseObject({ cpus: z.number() }).nullable() });
const answerSchema = z.looseObject({ tasks: z.array(usedSchema), leftOut: z.number() });
type Used = z.output<typeof usedSchema>;

/** Tasks that run on one agent. */
interface Share {
  readonly task: TaskRef;
  readonly instances: Map<string, Instance>;
}

interface Unanswered {
  readonly agentId: string;
  readonly host: string;
  readonly tasks: number;
  readonly why: string;
}

/** Of one app's running tasks, or of all (`null`); those that use most cpu first, at most `limit`. */
export async function readStatistics(rim: Rim, app: AppId | null, limit: number): Promise<Json> {
  const { view } = rim.api;
  const instances = app === null ? view.apps().flatMap(({ id }) => view.instances(id)) : view.instances(app);
  const { shares, unanswered } = sharesOf(instances);
  const path = `/ekiden/v1/statistics${app === null ? '' : `?idPrefix=${encodeURIComponent(`${safePath(app)}.`)}`}`;
  const deadline = AbortSignal.timeout(STATISTICS_DEADLINE_MS);
  const used: { readonly use: Used; readonly instance: Instance; readonly task: TaskRef }[] = [];
  let leftOut = 0;
  const ask = async (share: Share): Promise<void> => {
    const { task } = share;
    try {
      const answer = answerSchema.parse(await askAgent(rim, task.agentAddress, path, AbortSignal.any([deadline, AbortSignal.timeout(STATISTICS_TIMEOUT_MS)])));
      leftOut += answer.leftOut;
      for (const use of answer.tasks) {
        const instance = share.instances.get(use.taskId);
        if (instance !== undefined) used.push({ use, instance, task });
      }
    } catch (error) {
      unanswered.push({ agentId: task.agentId, host: task.hostname, tasks: share.instances.size, why: whyNot(error) });
    }
  };
  const waiting = shares.values();
  await Promise.all(
    Array.from({ length: AGENTS_ASKED_AT_ONCE }, async () => {
      for (const share of waiting) await ask(share);
    }),
  );
  used.sort((a, b) => (b.use.recent?.cpus ?? 0) - (a.use.recent?.cpus ?? 0) || (a.use.taskId < b.use.taskId ? -1 : 1));
  return {
    at: isoTime(rim.clock.now()),
    tasks: used.slice(0, limit).map(({ use, instance, task }) => ({
      appId: instance.appId,
      instanceId: instance.id,
      agentId: task.agentId,
      host: task.hostname,
      ...use,
    })),
    leftOut: leftOut + Math.max(0, used.length - limit),
    unanswered: unanswered.sort((a, b) => (a.host < b.host ? -1 : 1)),
  };
}

/** Running tasks by agent. Agents that are known to be away are not asked. */
function sharesOf(instances: readonly Instance[]): { readonly shares: Map<string, Share>; readonly unanswered: Unanswered[] } {
  const shares = new Map<string, Share>();
  const away = new Map<string, Share>();
  for (const instance of instances) {
    const { condition } = instance;
    if (condition.kind !== 'running' && condition.kind !== 'unreachable') continue;
    const { task } = condition;
    const among = condition.kind === 'running' ? shares : away;
    const share = among.get(task.agentId) ?? { task, instances: new Map() };
    share.instances.set(task.taskId, instance);
    among.set(task.agentId, share);
  }
  const unanswered = [...away.values()].map(({ task, instances: ofAgent }) => ({
    agentId: task.agentId,
    host: task.hostname,
    tasks: ofAgent.size,
    why: 'the agent is out of reach',
  }));
  return { shares, unanswered };
}

/** One task, now and over the last day, as its agent tells it. Throws `task-not-found` or `agent-unavailable`. */
export async function readTaskStatistics(rim: Rim, id: string): Promise<unknown> {
  const { taskId, agentAddress } = await placeOf(rim, id);
  const signal = AbortSignal.timeout(STATISTICS_TIMEOUT_MS);
  try {
    return await askAgent(rim, agentAddress, `/ekiden/v1/tasks/${encodeURIComponent(taskId)}/statistics`, signal);
  } catch (error) {
    if (error instanceof EkidenError) throw error;
    throw new EkidenError('agent-unavailable', `the agent at ${agentAddress} cannot say what ${taskId} uses: ${whyNot(error)}`);
  }
}

async function askAgent(rim: Rim, address: string, path: string, signal: AbortSignal): Promise<unknown> {
  if (address === '') throw new Error('it told no address at which it can be asked');
  const response = await rim.fetch(`http://${address}${path}`, { headers: bearer(rim.clusterToken), signal });
  if (response.status === 404) {
    await response.body?.cancel();
    throw new EkidenError('task-not-found', `the agent at ${address} has not measured such a task, or is of an older version`);
  }
  const size = Number(response.headers.get('content-length') ?? 0);
  if (!response.ok || size > MAX_STATISTICS_BYTES) {
    await response.body?.cancel();
    throw new Error(response.ok ? `it sends ${size} bytes, at most ${MAX_STATISTICS_BYTES} are read` : `it answered ${response.status}`);
  }
  return response.json();
}

function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return `no answer within ${STATISTICS_TIMEOUT_MS} ms`;
  if (error instanceof z.ZodError) return 'its answer cannot be read: it may be of another version';
  return error.cause instanceof Error ? error.cause.message : error.message;
}
