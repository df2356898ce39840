/** Bugs of apps/master and its allocator: who has what, and who is told. */
import type { Mutant } from './mutant.js';

const OFFERS = 'apps/master/src/offers/offer-ledger.ts';
const TASKS = 'apps/master/src/cluster/tasks.ts';
const LIVENESS = 'apps/master/src/agents/liveness.ts';
const LEARN = 'apps/master/src/agents/learn-tasks.ts';

export const MASTER_MUTANTS: readonly Mutant[] = [
  {
    name: 'offer-spent-twice',
    temptation: 'an accepted offer stays in the ledger until it runs out',
    edits: [
      {
        file: OFFERS,
        text: '  remove(core, offer);\n  return offer;',
        instead: '  takeBack(core.allocator, offer, offer.resources);\n  core.look(offer.agentId);\n  return offer;',
      },
    ],
    weather: 'wires',
    hint: 3,
  },
  {
    name: 'rescinded-offer-accepted',
    temptation: 'a rescinded offer is taken from the ledger, and not from its framework',
    edits: [
      {
        file: OFFERS,
        text: '  if (!core.offers.has(offer.offerId)) return;\n  remove(core, offer);',
        instead:
          '  if (!core.offers.has(offer.offerId)) return;\n  remove(core, offer);\n  core.frameworks.get(offer.frameworkId)?.offers.set(offer.offerId, offer);',
      },
    ],
    weather: 'races',
    hint: 1,
  },
  {
    name: 'allocation-never-given-back',
    temptation: 'a task that has ended goes on holding its resources',
    edits: [{ file: TASKS, text: '  task.holds = false;\n  release(core.allocator, task, task.resources);\n', instead: '  task.holds = false;\n' }],
    weather: 'tasks',
    hint: 2,
  },
  {
    name: 'allocation-given-back-twice',
    temptation: 'once at the first sight of the end, once at its acknowledgement',
    edits: [{ file: TASKS, text: '  task.holds = false;\n', instead: '' }],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'offered-in-a-deficit',
    temptation: 'what is short is one resource: the others can be offered',
    edits: [
      {
        file: 'libs/allocator/src/state.ts',
        text: 'return containsResources(agent.total, held) ? subtractResources(agent.total, held) : NO_RESOURCES;',
        instead: 'return subtractResources(agent.total, held);',
      },
    ],
    weather: 'machines',
    hint: 'scenarios:races',
  },
  {
    name: 'repeat-on-resubscribe-forgotten',
    temptation: 'the agent says it again anyway, some time',
    edits: [{ file: 'apps/master/src/framework/subscribe.ts', text: '  repeatUnacknowledged(core, framework);\n', instead: '' }],
    weather: 'leaders',
    hint: 'scenarios:stops',
  },
  {
    name: 'status-dropped-while-the-framework-is-away',
    temptation: 'what cannot be forwarded is acknowledged, so that the agent is free',
    edits: [
      {
        file: 'apps/master/src/framework/forward-status.ts',
        text: '  sendStatus(core, framework, { ...status, agent_id',
        instead: `  if (framework.session === null && status.uuid !== undefined) {
    agent.connection?.send({ type: 'acknowledge', frameworkId, taskId: toTaskId(taskId), uuid: status.uuid });
    if (task !== undefined && isTerminal(status.state)) forgetTask(core, task);
  }
  sendStatus(core, framework, { ...status, agent_id`,
      },
    ],
    weather: 'leaders',
    hint: 'scenarios:lost-and-late',
  },
  {
    name: 'old-stream-calls-taken',
    temptation: 'a call with the right framework id is a good call',
    edits: [
      {
        file: 'apps/master/src/framework/handle-call.ts',
        text: '  if (streamId === framework.session.streamId) return null;',
        instead: '  if (streamId !== null) return null;',
      },
    ],
    weather: 'races',
    hint: 1,
  },
  {
    name: 'agent-given-up-too-early',
    temptation: 'a broken link is a lost agent',
    edits: [
      {
        file: LIVENESS,
        text: '  rescindAll(core, agent);\n  awaitReturn(core, agent);',
        instead: "  rescindAll(core, agent);\n  markUnreachable(core, agent, 'its link broke');",
      },
    ],
    weather: 'agents',
    hint: 'scenarios:traps-master',
  },
  {
    name: 'agent-never-given-up',
    temptation: 'it will come back',
    edits: [{ file: LIVENESS, text: '  rescindAll(core, agent);\n  awaitReturn(core, agent);', instead: '  rescindAll(core, agent);' }],
    weather: 'machines',
    hint: 'scenarios:traps-master',
  },
  {
    name: 'new-master-denies-tasks',
    temptation: 'a master that has just begun answers for agents that it has not seen yet',
    edits: [{ file: 'apps/master/src/framework/reconcile.ts', text: "    case 'recovering':\n      return;\n", instead: "    case 'recovering':\n" }],
    weather: 'leaders',
    hint: 4,
  },
  {
    name: 'lost-launch-not-asked-about',
    temptation: 'a task that its agent does not report will be reported next time',
    edits: [{ file: LEARN, text: '  askAbout(core, agent, before);\n', instead: '' }],
    weather: 'wires',
    hint: 1,
  },
  {
    name: 'task-learnt-without-its-resources',
    temptation: 'what an agent reports was allocated by somebody, so it is counted already',
    edits: [
      {
        file: TASKS,
        text: '  if (task.holds) use(core.allocator, task, resources);',
        instead: "  if (task.holds && state === 'TASK_STAGING') use(core.allocator, task, resources);",
      },
    ],
    weather: 'leaders',
    hint: 3,
  },
  {
    name: 'stale-connection-heard',
    temptation: 'an agent that registers anew keeps its older connection, and both are heard',
    edits: [
      { file: 'apps/master/src/agents/agent-link.ts', text: '  return agent?.connection === connection ? agent : null;', instead: '  return agent ?? null;' },
      {
        file: 'apps/master/src/agents/register-agent.ts',
        text: "    older.close('a newer connection of the same agent has registered');",
        instead: '    older.agentId = agentId;',
      },
    ],
    weather: 'lines',
    hint: 1,
  },
  {
    name: 'new-size-counts-at-once',
    temptation: 'what a task gives back is free when it was asked to',
    edits: [
      {
        file: 'apps/master/src/framework/resize.ts',
        text: '  changeResources(core, task, sumResources([task.resources, growth]));',
        instead: '  changeResources(core, task, { ...task.resources, ...size });',
      },
    ],
    weather: 'tasks',
    hint: 'scenarios:resizes',
  },
  {
    name: 'growth-is-free',
    temptation: 'the machine has room: an offer of it is out',
    edits: [
      {
        file: 'apps/master/src/framework/resize.ts',
        text: '  changeResources(core, task, sumResources([task.resources, growth]));\n',
        instead: '',
      },
    ],
    weather: 'tasks',
    hint: 'scenarios:resizes',
  },
];
