/** Bugs of libs/planner: what is decided from one state. */
import type { Mutant } from './mutant.js';

const BUDGET = 'libs/planner/src/budget.ts';
const ROLLOUT = 'libs/planner/src/rollout.ts';
const MACHINE = 'libs/planner/src/instance-machine.ts';

export const PLANNER_MUTANTS: readonly Mutant[] = [
  {
    name: 'minimum-capacity-off-by-one',
    temptation: 'a healthy instance goes while exactly minHealthy serve',
    edits: [{ file: ROLLOUT, text: 'standing.serving > minHealthy', instead: 'standing.serving >= minHealthy' }],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'minimum-capacity-rounded-down',
    temptation: 'half of three healthy instances is taken for one',
    edits: [
      {
        file: BUDGET,
        text: 'Math.ceil(instances * upgrade.minimumHealthCapacity - ROUNDING)',
        instead: 'Math.floor(instances * upgrade.minimumHealthCapacity)',
      },
    ],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'over-capacity-off-by-one',
    temptation: 'one is started while maxTotal are there',
    edits: [{ file: ROLLOUT, text: 'budget.maxTotal - total)', instead: 'budget.maxTotal + 1 - total)' }],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'over-capacity-rounded-up',
    temptation: 'half of three instances more is taken for two',
    edits: [
      {
        file: BUDGET,
        text: 'Math.floor(instances * (1 + upgrade.maximumOverCapacity) + ROUNDING)',
        instead: 'Math.ceil(instances * (1 + upgrade.maximumOverCapacity))',
      },
    ],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'no-room-no-widening',
    temptation: 'a roll-out without room between its two budgets just waits',
    edits: [{ file: BUDGET, text: 'if (hasRoom || !options.isReplacing) return', instead: 'if (hasRoom || !options.isReplacing || instances > 0) return' }],
    weather: 'tasks',
    hint: 2,
  },
  {
    name: 'dependency-order-ignored',
    temptation: 'all apps of a deployment change in one step',
    edits: [{ file: 'libs/planner/src/deployment-steps.ts', text: 'const layer = layers.get(appId) ?? 1;', instead: 'const layer = 1;' }],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'health-kills-not-spread',
    temptation: 'every exhausted instance is restarted at once',
    edits: [{ file: 'libs/planner/src/health-kills.ts', text: '    .slice(0, Math.max(0, allowed))\n', instead: '' }],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'old-incarnation-heard',
    temptation: 'a status is matched with its instance, not with the task that the instance has now',
    edits: [{ file: MACHINE, text: 'if (task === null || task.taskId !== status.taskId) return', instead: 'if (task === null) return' }],
    weather: 'wires',
    hint: 1,
  },
  {
    name: 'incarnation-not-counted',
    temptation: 'the next task of an instance gets the id of the last one',
    edits: [{ file: MACHINE, text: 'incarnation: instance.incarnation + 1, condition', instead: 'incarnation: instance.incarnation, condition' }],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'back-off-not-earned',
    temptation: 'a crashed instance is scheduled anew at once',
    edits: [{ file: MACHINE, text: 'earnsDelay ? now + backoffMs : now', instead: 'now' }],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'unreachable-never-inactive',
    temptation: 'only a status moves an unreachable instance on, not the time',
    edits: [{ file: MACHINE, text: '  return moved({ ...instance, condition: { ...condition, inactive: true } });', instead: '  return unchanged(instance);' }],
    weather: 'agents',
    hint: 'scenarios:traps-instances',
  },
  {
    name: 'unreachable-never-expunged',
    temptation: 'an instance out of reach is remembered for ever',
    edits: [
      {
        file: MACHINE,
        text: '  if (condition.expungeAt !== null && condition.expungeAt <= now) return forgotten();\n  if (condition.inactiveAt === null',
        instead: '  if (condition.inactiveAt === null',
      },
    ],
    weather: 'agents',
    hint: 'scenarios:traps-instances',
  },
  {
    name: 'launch-lost-to-a-reconciliation',
    temptation: 'a master that does not know a task is believed, though the ACCEPT may be under way',
    edits: [
      { file: MACHINE, text: 'if (launching && provesNothingAboutLaunch(status.state, status.reason)) return unchanged(instance);', instead: '' },
      {
        file: 'apps/paas-api/src/observe/reconciliation.ts',
        text: "isMeant(instance) && (instance.condition.kind !== 'provisioned' || task.streamId !== streamId)",
        instead: 'isMeant(instance)',
      },
    ],
    weather: 'races',
    hint: 'scenarios:skeleton',
  },
  {
    name: 'constraint-off-by-one',
    temptation: 'one instance is where this one may go',
    edits: [
      { file: 'libs/planner/src/constraints.ts', text: '        return !this.counts.has(seen);', instead: '        return (this.counts.get(seen) ?? 0) <= 1;' },
    ],
    weather: 'tasks',
    hint: 4,
  },
];
