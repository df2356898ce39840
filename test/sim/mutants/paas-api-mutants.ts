/** Bugs of apps/paas-api: the order of record, speech and answer. */
import type { Mutant } from './mutant.js';

const LEDGER = 'apps/paas-api/src/ledger/ledger.ts';
const OFFER_LOOP = 'apps/paas-api/src/launch/offer-loop.ts';
const KILL_LOOP = 'apps/paas-api/src/launch/kill-loop.ts';
const RECORD_STATUS = 'apps/paas-api/src/observe/record-status.ts';
const CORE = 'apps/paas-api/src/create-paas-api.ts';

export const PAAS_API_MUTANTS: readonly Mutant[] = [
  {
    name: 'accept-before-its-record',
    temptation: 'the ACCEPT leaves while the launch is being committed',
    edits: [
      {
        file: OFFER_LOOP,
        text: '(draft.frameworkId === connection.frameworkId ? decideRound(draft, input) : null)',
        instead: `{
        if (draft.frameworkId !== connection.frameworkId) return null;
        const decided = decideRound(draft, input);
        for (const order of decided.accepts) {
          this.held.delete(order.offerId);
          void this.accept(connection, order);
        }
        return { ...decided, accepts: [] };
      }`,
      },
    ],
    weather: 'store',
    hint: 1,
  },
  {
    name: 'acknowledged-before-its-record',
    temptation: 'a status is acknowledged when it arrives, and recorded when there is time',
    edits: [
      {
        file: RECORD_STATUS,
        text: '    const status = readStatus(wire, ports.clock.now());',
        instead: '    acknowledge(ports, wire, connection);\n    const status = readStatus(wire, ports.clock.now());',
      },
    ],
    weather: 'store',
    hint: 1,
  },
  {
    name: 'acknowledged-though-not-recorded',
    temptation: 'the acknowledgement is in a finally',
    edits: [
      {
        file: RECORD_STATUS,
        text: '    return keepUnsaid(ports, wire, connection);',
        instead: '    keepUnsaid(ports, wire, connection);',
      },
    ],
    weather: 'store',
    hint: 1,
  },
  {
    name: 'forgotten-acknowledgement',
    temptation: 'the status of a task that has to be killed needs no answer but the kill',
    edits: [
      {
        file: RECORD_STATUS,
        text: "    else if (status.state !== 'TASK_KILLING') ports.kills",
        instead: "    else if (status.state !== 'TASK_KILLING') return ports.kills",
      },
    ],
    weather: 'agents',
    hint: 3,
  },
  {
    name: 'client-answered-before-the-commit',
    temptation: 'a 2xx as soon as the change is decided',
    edits: [
      { file: LEDGER, text: '    if (writes.length > 0) {', instead: '    for (const decision of taken) decision.settle();\n    if (writes.length > 0) {' },
    ],
    weather: 'store',
    hint: 1,
  },
  {
    name: 'failed-commit-answered-as-success',
    temptation: 'a commit whose outcome is unknown is taken for written',
    edits: [{ file: LEDGER, text: '    this.refuse(taken, unavailable);', instead: '    for (const decision of taken) decision.settle();' }],
    weather: 'store',
    hint: 1,
  },
  {
    name: 'refused-change-not-undone',
    temptation: 'what a refused decision had drafted is committed with the others of its batch',
    edits: [{ file: LEDGER, text: '      draft.undo(mark);', instead: '' }],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'events-lost-at-a-reload',
    temptation: 'what was committed without an answer is loaded, and nobody is told',
    edits: [
      {
        file: LEDGER,
        text: 'const events = await this.missedEvents(seenSeq, snapshot.lastEventSeq);',
        instead: 'const events = seenSeq < 0 ? await this.missedEvents(seenSeq, snapshot.lastEventSeq) : [];',
      },
    ],
    weather: 'store',
    hint: 1,
  },
  {
    name: 'stale-leader-goes-on',
    temptation: 'a commit refused for its epoch is a failed commit like any other',
    edits: [
      {
        file: LEDGER,
        text: "error is EkidenError => error instanceof EkidenError && error.code === 'stale-leader';",
        instead: "error is EkidenError => error instanceof EkidenError && error.code === 'no-leader';",
      },
      { file: CORE, text: "if (error instanceof EkidenError && error.code === 'stale-leader') return this.stop(error.message);", instead: '' },
    ],
    weather: 'leaders',
    hint: 'scenarios:skeleton',
  },
  {
    name: 'back-off-lost-on-restart',
    temptation: 'a new leader looks for offers for everything that waits',
    edits: [
      {
        file: CORE,
        text: '    this.reconcile.start();',
        instead: `    void this.ledger.change((draft) => {
      for (const appId of [...draft.appIds()]) for (const one of draft.instances(appId)) stepAndRecord(draft, one, { kind: 'reset-backoff' });
    });
    this.reconcile.start();`,
      },
      {
        file: CORE,
        text: "import { addEvent } from './ledger/record-step.js';",
        instead: "import { addEvent, stepAndRecord } from './ledger/record-step.js';",
      },
    ],
    weather: 'successions',
    hint: 3,
  },
  {
    name: 'kill-not-repeated',
    temptation: 'a KILL that was sent is a task that is dead',
    edits: [
      {
        file: KILL_LOOP,
        text: 'last === null ? instance.stop.killAt : last + this.ports.config.killRetryMs',
        instead: 'last === null ? instance.stop.killAt : Number.POSITIVE_INFINITY',
      },
    ],
    weather: 'wires',
    hint: 'scenarios:lost-and-late',
  },
  {
    name: 'drain-not-waited-for',
    temptation: 'the KILL leaves as soon as the stop is recorded',
    edits: [{ file: KILL_LOOP, text: 'last === null ? instance.stop.killAt : last +', instead: 'last === null ? instance.stop.since : last +' }],
    weather: 'tasks',
    hint: 1,
  },
  {
    name: 'nothing-asked-after-a-subscription',
    temptation: 'what happened while the stream was broken will be told sooner or later',
    edits: [{ file: CORE, text: '    this.kills.connected();\n    this.reconciliation.connected();', instead: '    this.kills.connected();' }],
    weather: 'leaders',
    hint: 2,
  },
  {
    name: 'unsent-launch-forgotten',
    temptation: 'launches that were written without an answer are read again, and wait for their ACCEPT',
    edits: [{ file: OFFER_LOOP, text: '    if (isReloaded) this.settleAll();\n', instead: '' }],
    weather: 'store',
    hint: 1,
  },
  {
    name: 'unanswered-accept-waited-for',
    temptation: 'an ACCEPT whose answer was lost has surely been taken',
    edits: [
      { file: OFFER_LOOP, text: "    if (client.connection === connection) client.reconnect('nobody knows whether an ACCEPT was taken');\n", instead: '' },
    ],
    weather: 'races',
    hint: 'scenarios:skeleton',
  },
  {
    name: 'silent-stream-kept',
    temptation: 'a stream that has not been closed is open',
    edits: [
      {
        file: 'libs/framework-sdk/src/scheduler-client.ts',
        text: 'if (this.world.clock.now() - this.heardAt >= this.silenceMs) this.lost(',
        instead: 'if (this.world.clock.now() < this.heardAt) this.lost(',
      },
    ],
    weather: 'wires',
    hint: 'scenarios:connections',
  },
  {
    name: 'surplus-task-not-killed',
    temptation: 'a status of a task that its instance has left is acknowledged, and that is all',
    edits: [{ file: RECORD_STATUS, text: "  if (step.stale && step.ask === 'kill') return 'kill';\n", instead: '' }],
    weather: 'agents',
    hint: 'scenarios:plain-mesos',
  },
  {
    name: 'wrong-incarnation-killed',
    temptation: 'a late status of an older task kills the one that its instance has now',
    edits: [
      {
        file: RECORD_STATUS,
        text: "    else if (status.state !== 'TASK_KILLING') ports.kills.killStray(status.taskId, ",
        instead:
          "    else if (status.state !== 'TASK_KILLING') ports.kills.killStray(liveTask(findInstance(ports.ledger.state, status.taskId) ?? NOBODY)?.taskId ?? status.taskId, ",
      },
      {
        file: RECORD_STATUS,
        text: "type Verdict = 'recorded' | 'kill';",
        instead: "type Verdict = 'recorded' | 'kill';\nconst NOBODY = { condition: { kind: 'scheduled' } } as Instance;",
      },
    ],
    weather: 'agents',
    hint: 'scenarios:plain-mesos',
  },
  {
    name: 'image-not-kept',
    temptation: 'each version asks what its image is, also where nothing but the number of instances is another',
    edits: [
      {
        file: 'apps/paas-api/src/desired/apply-targets.ts',
        text: 'configVersion === current?.configVersion ? current.imageDigest : one.imageDigest',
        instead: 'one.imageDigest',
      },
    ],
    weather: 'tasks',
    hint: 'scenarios:images',
  },
  {
    name: 'nobody-waits-for-the-image',
    temptation: 'all instances are launched at once, and each agent asks what the image is',
    edits: [{ file: 'apps/paas-api/src/launch/image-holds.ts', text: 'return left > 0;', instead: 'return left > Number.NEGATIVE_INFINITY;' }],
    weather: 'tasks',
    hint: 'scenarios:images',
  },
  {
    name: 'another-image-runs-on',
    temptation: 'who asked first and was heard last may run what it found',
    edits: [
      {
        file: 'apps/paas-api/src/observe/pin-image.ts',
        text: 'version.imageDigest !== undefined && version.imageDigest !== imageDigest',
        instead: 'version.imageDigest === undefined',
      },
    ],
    weather: 'tasks',
    hint: 'scenarios:images',
  },
];
