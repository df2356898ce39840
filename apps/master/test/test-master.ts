/** A master's core in virtual time, with schedulers and agents that write down what they hear. */
import { AGENT_LINK_VERSION, type AgentMessage, type MasterMessage, type RegisterMessage, type TaskReport } from '@ekiden/agent-link';
import type { FrameworkInfo, SchedulerCall, SchedulerEvent, TaskInfo, TaskStatus, WireOffer, WireResource } from '@ekiden/mesos';
import { agentId, frameworkId, type AgentId, type Log, type TaskState } from '@ekiden/model';
import { VirtualClock } from '../../../test/sim/world/virtual-clock.js';
import { createMaster } from '../src/create-master.js';
import type { AgentLinkHandle, HttpAnswer, Master, MasterConfig } from '../src/master-ports.js';
import { createMemoryMasterStore, MemoryMasterDatabase, type MemoryMasterStore } from '../src/store/memory-master-store.js';

export const CONFIG: MasterConfig = {
  hostname: 'm1',
  ip: '127.0.0.1',
  port: 5050,
  version: '0.0.0',
  heartbeatIntervalMs: 5_000,
  pingIntervalMs: 5_000,
  agentTimeoutMs: 75_000,
  reregisterTimeoutMs: 75_000,
  offerTimeoutMs: 30_000,
  extensions: true,
};

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

export class TestMaster {
  master: Master;
  deposed: string | null = null;
  private uuids = 0;

  constructor(
    readonly clock = new VirtualClock(),
    readonly database = new MemoryMasterDatabase('M'),
    readonly store: MemoryMasterStore = createMemoryMasterStore(database),
    private readonly config: Partial<MasterConfig> = {},
  ) {
    this.master = this.create(store);
  }

  static async started(config: Partial<MasterConfig> = {}): Promise<TestMaster> {
    const test = new TestMaster(undefined, undefined, undefined, config);
    await test.master.start();
    return test;
  }

  /** The process dies and another one begins, on the same database. */
  async failOver(): Promise<MemoryMasterStore> {
    const { store } = this;
    store.crash();
    const next = createMemoryMasterStore(this.database);
    this.master = this.create(next);
    await this.master.start();
    return next;
  }

  /** Everything that is due now, and what follows from it without time passing. */
  settle(): Promise<void> {
    return this.clock.run(0);
  }

  scheduler(info: Partial<FrameworkInfo> = {}): TestScheduler {
    return new TestScheduler(this, {
      user: 'root',
      name: 'demo',
      roles: ['web'],
      failover_timeout: 60,
      capabilities: capabilities('MULTI_ROLE', 'PARTITION_AWARE'),
      ...info,
    });
  }

  async subscribed(info: Partial<FrameworkInfo> = {}): Promise<TestScheduler> {
    const scheduler = this.scheduler(info);
    await scheduler.subscribe();
    return scheduler;
  }

  async agent(options: Partial<RegisterMessage> = {}): Promise<TestAgent> {
    const agent = new TestAgent(this, options);
    await agent.register();
    return agent;
  }

  private create(store: MemoryMasterStore): Master {
    const ids = { uuid: () => `uuid-${++this.uuids}` };
    return createMaster(
      { clock: this.clock, random: { next: () => 0.5 }, ids, log: silent, config: { ...CONFIG, ...this.config }, store },
      (why) => (this.deposed = why),
    );
  }
}

export const capabilities = (...types: string[]): { type: string }[] => types.map((type) => ({ type }));

export class TestScheduler {
  events: SchedulerEvent[] = [];
  closed = false;
  streamId = '';
  id = '';

  constructor(
    readonly test: TestMaster,
    public info: FrameworkInfo,
  ) {}

  async subscribe(suppressedRoles: string[] = []): Promise<void> {
    this.events = [];
    this.closed = false;
    const { id } = this.info;
    const call: SchedulerCall = {
      type: 'SUBSCRIBE',
      ...(id ? { framework_id: id } : {}),
      subscribe: { framework_info: this.info, suppressed_roles: suppressedRoles },
    };
    // Events of an older stream must not be taken for this one's.
    const events = this.events;
    const answer = this.test.master.subscribe(call, { event: (event) => events.push(event), close: () => void (this.closed = this.events === events) });
    if (answer.kind === 'refused') throw new Error(answer.answer.text);
    this.streamId = answer.streamId;
    expect(events).toEqual([]);
    await this.test.settle();
    const [first] = events;
    if (first?.type !== 'SUBSCRIBED') return;
    this.id = first.subscribed.framework_id.value;
    this.info = { ...this.info, id: { value: this.id } };
  }

  disconnect(): void {
    this.test.master.disconnected(this.streamId);
  }

  call(call: { type: string; [part: string]: unknown }, streamId: string | null = this.streamId): HttpAnswer {
    return this.test.master.call(streamId, { framework_id: { value: this.id }, ...call } as unknown as SchedulerCall);
  }

  /** Offers heard since the last look, minus those rescinded. */
  async offers(): Promise<WireOffer[]> {
    await this.test.settle();
    const rescinded = this.events.flatMap((event) => (event.type === 'RESCIND' ? [event.rescind.offer_id.value] : []));
    const offers = this.events.flatMap((event) => (event.type === 'OFFERS' ? (event.offers.offers ?? []) : []));
    this.drop('OFFERS');
    return offers.filter((offer) => !rescinded.includes(offer.id.value));
  }

  /** Statuses heard since the last look. */
  statuses(): TaskStatus[] {
    const statuses = this.events.flatMap((event) => (event.type === 'UPDATE' ? [event.update.status] : []));
    this.drop('UPDATE');
    return statuses;
  }

  /** In place: the stream goes on writing into the same list. */
  private drop(type: SchedulerEvent['type']): void {
    const kept = this.events.filter((event) => event.type !== type);
    this.events.splice(0, this.events.length, ...kept);
  }

  of<T extends SchedulerEvent['type']>(type: T): Extract<SchedulerEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<SchedulerEvent, { type: T }> => event.type === type);
  }

  accept(offers: readonly WireOffer[], tasks: readonly TaskInfo[], filters = { refuse_seconds: 0 }): HttpAnswer {
    const ids = offers.map(({ id }) => id);
    return this.call({ type: 'ACCEPT', accept: { offer_ids: ids, operations: [{ type: 'LAUNCH', launch: { task_infos: tasks } }], filters } });
  }

  /** Launches one small task from the next offer. */
  async launch(name: string): Promise<WireOffer> {
    const [offer] = await this.offers();
    if (offer === undefined) throw new Error('no offer');
    this.accept([offer], [aTask(name, offer.agent_id.value)]);
    return offer;
  }

  acknowledge(status: TaskStatus): HttpAnswer {
    return this.call({ type: 'ACKNOWLEDGE', acknowledge: { agent_id: status.agent_id, task_id: status.task_id, uuid: status.uuid } });
  }

  reconcile(...tasks: readonly { id: string; agent?: string }[]): TaskStatus[] {
    const asked = tasks.map(({ id, agent }) => ({ task_id: { value: id }, ...(agent ? { agent_id: { value: agent } } : {}) }));
    this.statuses();
    this.call({ type: 'RECONCILE', reconcile: { tasks: asked } });
    return this.statuses();
  }
}

export class TestAgent {
  messages: MasterMessage[] = [];
  closedBecause: string | null = null;
  id: AgentId | null = null;
  tasks: TaskReport[] = [];
  frameworks: FrameworkInfo[] = [];
  private link: AgentLinkHandle | null = null;

  constructor(
    readonly test: TestMaster,
    private readonly options: Partial<RegisterMessage>,
  ) {
    this.id = options.agentId ?? null;
  }

  async register(options: Partial<RegisterMessage> = {}): Promise<void> {
    this.messages = [];
    this.closedBecause = null;
    const messages = this.messages;
    this.link = this.test.master.agentConnected({
      send: (message) => void messages.push(message),
      close: (why) => {
        if (this.messages === messages) this.closedBecause = why;
      },
    });
    this.say({
      type: 'register',
      v: AGENT_LINK_VERSION,
      agentId: this.id,
      hostname: 'h1',
      ip: '10.0.0.2',
      port: 5051,
      version: '0.0.0',
      resources: someResources(4, 8192),
      attributes: [],
      region: null,
      zone: null,
      bootId: 'b',
      frameworks: this.frameworks,
      tasks: this.tasks,
      ...this.options,
      ...options,
    });
    await this.test.settle();
    for (const message of messages) if (message.type === 'registered') this.id = agentId(message.agentId);
  }

  say(message: AgentMessage): void {
    this.link?.message(message);
  }

  /** Links that an agent has opened before stay in the test's hands. */
  get currentLink(): AgentLinkHandle {
    if (this.link === null) throw new Error('never connected');
    return this.link;
  }

  disconnect(): void {
    this.link?.closed();
  }

  heard<T extends MasterMessage['type']>(type: T): Extract<MasterMessage, { type: T }>[] {
    return this.messages.filter((message): message is Extract<MasterMessage, { type: T }> => message.type === type);
  }

  /** Reports a state, and keeps it for the next registration. */
  status(scheduler: TestScheduler, name: string, state: TaskState, latestState: TaskState = state, more: Partial<TaskStatus> = {}): TaskStatus {
    const status: TaskStatus = {
      task_id: { value: name },
      state,
      source: 'SOURCE_EXECUTOR',
      uuid: Buffer.alloc(16, name + state).toString('base64'),
      timestamp: 1,
      ...more,
    };
    const framework = frameworkId(scheduler.id);
    this.tasks = this.tasks.filter(({ task }) => task.task_id.value !== name);
    this.tasks.push({ frameworkId: framework, task: aTask(name, this.id ?? ''), state: latestState, latest: status });
    this.frameworks = [scheduler.info];
    this.say({ type: 'status', frameworkId: framework, status, latestState });
    return status;
  }
}

export const someResources = (cpus: number, mem: number): WireResource[] => [
  { name: 'cpus', type: 'SCALAR', scalar: { value: cpus } },
  { name: 'mem', type: 'SCALAR', scalar: { value: mem } },
];

export const aTask = (name: string, agent: string, cpus = 0.1, mem = 32): TaskInfo => ({
  name,
  task_id: { value: name },
  agent_id: { value: agent },
  resources: someResources(cpus, mem),
  command: { value: 'sleep 60' },
});
