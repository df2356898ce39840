/** Bugs of apps/agent: what is on disk when, and what is said until somebody has heard it. */
import type { Mutant } from './mutant.js';

const LINK = 'apps/agent/src/link/master-link.ts';
const RUNNER = 'apps/agent/src/tasks/task-runner.ts';
const OUTBOX = 'apps/agent/src/status/status-outbox.ts';
const CORE = 'apps/agent/src/create-agent.ts';
const KILLER = 'apps/agent/src/tasks/kill-task.ts';
const RECOVER = 'apps/agent/src/tasks/recover-tasks.ts';

export const AGENT_MUTANTS: readonly Mutant[] = [
  {
    name: 'checkpoint-after-the-fork',
    temptation: 'the record can be written once the process runs',
    edits: [
      {
        file: RUNNER,
        text: "      task.update({ stage: 'launching', launchedAt: this.ports.clock.now() });\n      await task.saveNow();",
        instead: "      task.update({ stage: 'launching', launchedAt: this.ports.clock.now() });",
      },
    ],
    weather: 'agents',
    hint: 1,
  },
  {
    name: 'launch-repeated',
    temptation: 'a LAUNCH comes once',
    edits: [{ file: RUNNER, text: 'if (this.table.get(id) || this.table.isFinished(id)) {', instead: 'if (this.table.isFinished(id)) {' }],
    weather: 'wires',
    hint: 1,
  },
  {
    name: 'terminal-status-dropped-on-reconnect',
    temptation: 'over a new link only what runs is told',
    edits: [
      { file: OUTBOX, text: '      if (flight) flight.attempts = 0;', instead: '      if (flight) flight.attempts = 0;\n      if (task.ended) continue;' },
    ],
    weather: 'agents',
    hint: 1,
  },
  {
    name: 'status-removed-when-sent',
    temptation: 'what was sent over a good link has arrived',
    edits: [
      {
        file: OUTBOX,
        text: '    flight.attempts += 1;',
        instead: '    flight.attempts += 1;\n    if (!isTerminal(head.state)) task.update({ unacknowledged: task.record.unacknowledged.slice(1) });',
      },
    ],
    weather: 'agents',
    hint: 'scenarios:stops',
  },
  {
    name: 'end-forgotten-when-sent',
    temptation: 'a task whose end was said is over',
    edits: [
      { file: OUTBOX, text: '    flight.attempts += 1;', instead: '    flight.attempts += 1;\n    if (isTerminal(head.state)) return this.finished(task);' },
    ],
    weather: 'agents',
    hint: 'scenarios:lost-and-late',
  },
  {
    name: 'any-acknowledgement-taken',
    temptation: 'an acknowledgement is of the newest status',
    edits: [{ file: OUTBOX, text: '    if (!head || head.uuid !== uuid) {', instead: '    if (!head) {' }],
    weather: 'wires',
    hint: 'scenarios:lost-and-late',
  },
  {
    name: 'stale-epoch-accepted',
    temptation: 'a master that answers is the master: neither asks the store, nor is asked by its agents',
    edits: [
      { file: CORE, text: '    if (registered.masterEpoch < identity.masterEpoch)', instead: '    if (registered.masterEpoch < 0)' },
      { file: 'apps/master/src/agents/registry.ts', text: '    await core.ports.store.confirm(core.epoch);\n', instead: '' },
    ],
    weather: 'usurpers',
    hint: 'scenarios:lost-and-late',
  },
  {
    name: 'kill-forgotten-at-a-restart',
    temptation: 'a recovered task is watched, and whoever wants it dead says so again',
    edits: [{ file: RUNNER, text: '    if (task.record.kill) void this.killer.carryOut(task);\n', instead: '' }],
    weather: 'agents',
    hint: 'scenarios:traps-master',
  },
  {
    name: 'no-sigkill-after-the-grace',
    temptation: 'SIGTERM is enough for everybody',
    edits: [
      {
        file: KILLER,
        text: 'this.ports.clock.after(leftMs, () => this.force(task))',
        instead: 'this.ports.clock.after(leftMs, () => this.ports.runtime.terminate(task.taskId))',
      },
    ],
    weather: 'tasks',
    hint: 'scenarios:traps-instances',
  },
  {
    name: 'health-checks-not-resumed',
    temptation: 'checks begin when a task begins',
    edits: [{ file: RECOVER, text: '      if (!record.kill) for (const hook of hooks) hook.recover?.(task);\n', instead: '' }],
    weather: 'agents',
    hint: 'scenarios:stops',
  },
  {
    name: 'agent-id-not-kept',
    temptation: 'the master will give this machine its id again',
    edits: [
      {
        file: CORE,
        text: '    identity = { ...identity, agentId: registered.agentId, masterEpoch: registered.masterEpoch };\n    await saveIdentity();',
        instead: '    identity = { ...identity, agentId: registered.agentId, masterEpoch: registered.masterEpoch };',
      },
    ],
    weather: 'agents',
    hint: 'scenarios:disk-faults',
  },
  {
    name: 'exit-during-absence-unseen',
    temptation: 'what ended while the agent was down is found by its run directory being gone',
    edits: [{ file: RECOVER, text: '      runner.endedWith(task, found.exit);\n', instead: '' }],
    weather: 'agents',
    hint: 'scenarios:skeleton',
  },
  {
    name: 'silent-link-kept',
    temptation: 'a link that has not been closed is open',
    edits: [{ file: LINK, text: 'if (leftMs <= 0) this.broken(`no ping for ${limitMs} ms`, null);', instead: 'if (leftMs <= 0) return;' }],
    weather: 'lines',
    hint: 'scenarios:lost-and-late',
  },
  {
    name: 'orders-before-admission-dropped',
    temptation: 'what comes while the registration is being written is out of order',
    edits: [{ file: LINK, text: "        else if (open.phase === 'admitting') this.hold(open, message);\n", instead: '' }],
    weather: 'lines',
    hint: 1,
  },
  {
    name: 'acknowledged-status-not-removed',
    temptation: 'the queue is emptied when the task ends',
    edits: [{ file: OUTBOX, text: '    task.update({ unacknowledged: rest });\n', instead: '' }],
    weather: 'lines',
    hint: 1,
  },
  {
    name: 'size-forgotten-at-restart',
    temptation: 'what a task may use is in its launch',
    edits: [
      {
        file: 'apps/agent/src/tasks/resize-task.ts',
        text: '    task.update({ resize: { ...resize, outcome }, task: withSize(info, size) });',
        instead: '    task.update({ resize: { ...resize, outcome }, task: withSize(info, resize.from) });',
      },
    ],
    weather: 'agents',
    hint: 'scenarios:resizes',
  },
  {
    name: 'resize-not-carried-on',
    temptation: 'a change of size takes no time in which the agent could die',
    edits: [{ file: RECOVER, text: '      runner.resizer.recover(task);\n', instead: '' }],
    weather: 'agents',
    hint: 'scenarios:resizes',
  },
];
