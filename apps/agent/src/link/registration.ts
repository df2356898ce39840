/**
 * How an agent introduces itself to a master: who it is, what it has, what it can, and all that it runs. Pure.
 *
 * What its runtime lacks is found out once, here. Masters read of it what they themselves have to do (`abilities`), frameworks what they
 * need not try (an attribute, in every offer): both say the same, to masters and frameworks of before, too.
 */
import { AGENT_LINK_VERSION, AGENT_RESIZES, type RegisterMessage } from '@ekiden/agent-link';
import { attributesToWire, LACKS_ATTRIBUTE, resourcesToWire, type FrameworkInfo } from '@ekiden/mesos';
import { ABILITIES, type Ability } from '@ekiden/model';
import type { AgentPorts, AgentRecord } from '../agent-ports.js';
import type { LiveTask } from '../tasks/live-task.js';

export function registration({ config, runtime }: AgentPorts, identity: AgentRecord, tasks: readonly LiveTask[]): RegisterMessage {
  const frameworks = new Map<string, FrameworkInfo>();
  const lacks = lacksOf(runtime);
  for (const { record } of tasks) frameworks.set(record.frameworkId, record.framework);
  return {
    type: 'register',
    v: AGENT_LINK_VERSION,
    agentId: identity.agentId,
    hostname: config.hostname,
    ip: config.ip,
    port: config.port,
    version: config.version,
    resources: resourcesToWire(config.resources),
    attributes: attributesToWire({ ...config.attributes, ...(lacks.length === 0 ? {} : { [LACKS_ATTRIBUTE]: lacks.join(',') }) }),
    region: config.region,
    zone: config.zone,
    bootId: config.bootId,
    ...(config.runtimes === undefined ? {} : { runtimes: config.runtimes }),
    ...(lacks.includes('resize') ? {} : { abilities: [AGENT_RESIZES] }),
    frameworks: [...frameworks.values()],
    tasks: tasks.map(({ record }) => ({
      frameworkId: record.frameworkId,
      task: record.task,
      state: record.latest?.state ?? 'TASK_STAGING',
      latest: record.latest,
    })),
  };
}

/** Of a runtime that does not say, only what is seen of it. What it can for tasks of some kind it does not lack: to the others it says why not. */
function lacksOf(runtime: AgentPorts['runtime']): readonly Ability[] {
  const resizes = runtime.resize !== undefined && (runtime.resizes?.() ?? (runtime.abilities?.resize ?? null) === null);
  return ABILITIES.filter((ability) => (ability === 'resize' ? !resizes : (runtime.abilities?.[ability] ?? null) !== null));
}
