/** The agents as the master knows them: `GET /ekiden/v1/nodes` asks its operator API, and follows it to the leading master. */
import { EkidenError } from '@ekiden/model';
import { z } from 'zod';
import { UPSTREAM_TIMEOUT_MS } from './bounds.js';
import type { Rim } from './rim.js';
import type { Json } from './stored-definition.js';

/** From a master that does not lead to the one that it names, and so on. */
const MAX_REDIRECTS = 3;

const named = z.looseObject({ value: z.string() });
const resource = z.looseObject({ name: z.string(), scalar: z.looseObject({ value: z.number() }).optional() });
const attribute = z.looseObject({
  name: z.string(),
  text: z.looseObject({ value: z.string() }).optional(),
  scalar: z.looseObject({ value: z.number() }).optional(),
});
const agentSchema = z.looseObject({
  agent_info: z.looseObject({
    id: named.optional(),
    hostname: z.string(),
    port: z.number().optional(),
    attributes: z.array(attribute).optional(),
    resources: z.array(resource).optional(),
  }),
  pid: z.string().optional(),
  active: z.boolean().optional(),
  deactivated: z.boolean().optional(),
  total_resources: z.array(resource).optional(),
  allocated_resources: z.array(resource).optional(),
  ekiden_deficit: z.array(resource).optional(),
  ekiden_runtimes: z.array(z.looseObject({ name: z.string(), isUsed: z.boolean(), reasons: z.array(z.string()) })).optional(),
});
const answerSchema = z.looseObject({ get_agents: z.looseObject({ agents: z.array(agentSchema).optional() }) });
type Agent = z.output<typeof agentSchema>;

export const readNodes = async (rim: Rim): Promise<Json> => ({ nodes: (await readAgents(rim)).map((agent) => renderNode(rim, agent)) });

/** `host:port` of an agent, by the master; empty when it does not know the agent. */
export async function addressOfAgent(rim: Rim, agentId: string): Promise<string> {
  const agent = (await readAgents(rim)).find(({ agent_info: info }) => info.id?.value === agentId);
  return agent === undefined ? '' : addressOf(agent);
}

/** Throws `agent-unavailable` when no master answers. */
async function readAgents(rim: Rim): Promise<readonly Agent[]> {
  let why = 'no master is configured';
  for (const master of rim.masters) {
    try {
      const response = await askForAgents(rim, new URL('/api/v1', master), AbortSignal.timeout(UPSTREAM_TIMEOUT_MS), 0);
      if (response.ok) return answerSchema.parse(await response.json()).get_agents.agents ?? [];
      why = `${master} answered ${response.status}`;
    } catch (cause) {
      why = `${master}: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
  }
  throw new EkidenError('agent-unavailable', `the master, which knows the agents, does not answer: ${why}`);
}

/** Followed by hand: `fetch` would leave out the token on the way from a standby to the leader. */
async function askForAgents(rim: Rim, url: URL, signal: AbortSignal, redirects: number): Promise<Response> {
  const headers = { 'content-type': 'application/json', accept: 'application/json', ...bearer(rim.clusterToken) };
  const response = await rim.fetch(url, { method: 'POST', headers, body: '{"type":"GET_AGENTS"}', signal, redirect: 'manual' });
  const location = response.headers.get('location');
  if (response.status !== 307 || location === null || redirects >= MAX_REDIRECTS) return response;
  return askForAgents(rim, new URL(location, url), signal, redirects + 1);
}

export const bearer = (token: string | null): Readonly<Record<string, string>> => (token === null ? {} : { authorization: `Bearer ${token}` });

/** Where it is reached: the address in its libprocess id (`slave(1)@ip:port`), else its host name and port. */
function addressOf({ agent_info: info, pid }: Agent): string {
  const at = pid?.split('@')[1];
  return at ?? (info.port === undefined ? '' : `${info.hostname}:${info.port}`);
}

function renderNode(rim: Rim, agent: Agent): Json {
  const { agent_info: info } = agent;
  const id = info.id?.value ?? '';
  return {
    id,
    hostname: info.hostname,
    address: addressOf(agent),
    state: agent.deactivated === true ? 'deactivated' : agent.active === false ? 'away' : 'active',
    resources: scalars(agent.total_resources ?? info.resources ?? []),
    used: scalars(agent.allocated_resources ?? []),
    deficit: scalars(agent.ekiden_deficit ?? []),
    attributes: Object.fromEntries((info.attributes ?? []).map(({ name, text, scalar }) => [name, text?.value ?? String(scalar?.value ?? '')])),
    runtimes: agent.ekiden_runtimes ?? [],
    tasks: countTasks(rim, id),
  };
}

function scalars(resources: Agent['total_resources'] & {}): Record<string, number> {
  const sums: Record<string, number> = { cpus: 0, mem: 0, disk: 0 };
  for (const { name, scalar } of resources) if (scalar !== undefined && name in sums) sums[name] = (sums[name] ?? 0) + scalar.value;
  return sums;
}

function countTasks(rim: Rim, agentId: string): number {
  const { view } = rim.api;
  return view
    .apps()
    .reduce(
      (sum, { id }) =>
        sum + view.instances(id).filter(({ condition }) => 'task' in condition && condition.kind !== 'terminal' && condition.task.agentId === agentId).length,
      0,
    );
}
