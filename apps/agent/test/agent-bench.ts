/**
 * A bench for the agent's core: virtual time, a virtual machine that outlives the agent, and a master that is played by hand.
 */
import type { AgentMessage, MasterMessage, RegisterMessage } from '@ekiden/agent-link';
import { encodeData, type EkidenTaskData, type FrameworkInfo, type TaskInfo, type TaskStatus } from '@ekiden/mesos';
import { agentId, frameworkId, NO_RESOURCES, taskId, type HealthCheck } from '@ekiden/model';
import { countedIds, seededRandom, VirtualClock } from '../../../test/sim/world/virtual-clock.js';
import { VirtualMachine } from '../../../test/sim/world/virtual-machine.js';
import { VirtualProcess, type LogLine } from '../../../test/sim/world/virtual-process.js';
import type { AgentConfig, AgentPorts, Link, LinkSink } from '../src/agent-ports.js';
import { createAgent, type Agent } from '../src/create-agent.js';

export const FRAMEWORK = frameworkId('framework-1');

/** One connection as the master sees it. */
export class MasterSide {
  readonly heard: AgentMessage[] = [];
  isOpen = true;

  constructor(
    private readonly clock: VirtualClock,
    private readonly sink: LinkSink,
    private readonly bench: AgentBench,
  ) {}

  say(message: MasterMessage): void {
    this.clock.after(1, () => this.sink.message(message));
  }

  cut(why = 'cut'): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.clock.after(1, () => this.sink.closed(why));
  }

  link(): Link {
    return {
      send: (message) => {
        this.heard.push(message);
        if (message.type === 'register' && this.bench.registersBy) this.say(this.bench.registersBy);
        if (message.type === 'status' && this.bench.acknowledges) this.acknowledge(message.status);
      },
      close: () => {
        this.isOpen = false;
      },
    };
  }

  acknowledge(status: TaskStatus): void {
    if (status.uuid === undefined) return;
    this.say({ type: 'acknowledge', frameworkId: FRAMEWORK, taskId: taskId(status.task_id.value), uuid: status.uuid });
  }

  statuses(): TaskStatus[] {
    return this.heard.flatMap((message) => (message.type === 'status' ? [message.status] : []));
  }

  states(): string[] {
    return this.statuses().map((status) => status.state);
  }

  register(): RegisterMessage | undefined {
    return this.heard.find((message) => message.type === 'register');
  }
}

export class AgentBench {
  readonly clock = new VirtualClock();
  readonly machine = new VirtualMachine(this.clock, 'machine', 1);
  readonly log: LogLine[] = [];
  readonly links: MasterSide[] = [];
  acknowledges = true;
  registersBy: MasterMessage | null = registered(1);
  agent!: Agent;
  private process!: VirtualProcess;
  private readonly random = seededRandom(7);
  private readonly ids = countedIds();

  /** As agents here are started unless a test says otherwise. */
  config(): AgentConfig {
    return {
      hostname: 'h1',
      ip: '10.0.0.1',
      port: 5051,
      version: '0.1.0',
      resources: { ...NO_RESOURCES, cpusMilli: 4000, memMib: 1024 },
      attributes: { rack: 'r1' },
      region: null,
      zone: null,
      bootId: this.machine.bootId,
      defaultKillGraceMs: 3000,
      baseEnv: { PATH: '/bin' },
    };
  }

  /** Starts an agent on the machine; an earlier one has to be dead. */
  async start(change: Partial<AgentPorts> = {}): Promise<void> {
    const process = new VirtualProcess('agent', this.clock, this.random, this.ids, this.log);
    this.process = process;
    const ports: AgentPorts = {
      ...process.world(),
      config: this.config(),
      checkpoints: process.guard(
        'checkpoints',
        this.machine.checkpoints(() => process.isAlive),
      ),
      runtime: process.guard('runtime', this.machine.runtime()),
      sandboxes: process.guard('sandboxes', this.machine.sandboxes()),
      hostPorts: process.guard('hostPorts', this.machine.hostPorts()),
      probe: process.guard('probe', this.machine.probe()),
      master: {
        connect: (sink) => {
          const side = new MasterSide(this.clock, sink, this);
          this.links.push(side);
          this.clock.after(
            1,
            process.mute(() => (side.isOpen ? sink.opened() : sink.closed('refused'))),
          );
          return side.link();
        },
      },
      ...change,
    };
    this.agent = createAgent(ports);
    let isUp = false;
    void this.agent.start().then(() => (isUp = true));
    await this.clock.until('agent started', () => isUp);
    await this.clock.run(10);
  }

  /** `kill -9` of the agent: tasks run on. */
  kill(): void {
    this.process.kill();
    this.machine.forgetWatchers();
    this.link.isOpen = false;
  }

  get link(): MasterSide {
    const last = this.links[this.links.length - 1];
    if (!last) throw new Error('the agent never connected');
    return last;
  }

  async launch(id: string, change: Partial<TaskInfo> = {}, framework: Partial<FrameworkInfo> = {}): Promise<void> {
    this.link.say({ type: 'launch', framework: { ...aFramework(), ...framework }, tasks: [aTask(id, change)] });
    await this.clock.run(20);
  }
}

export const registered = (masterEpoch: number): MasterMessage => ({
  type: 'registered',
  v: 1,
  agentId: agentId('agent-1'),
  masterId: `master-${masterEpoch}`,
  masterEpoch,
  linkEpoch: 1,
  pingIntervalMs: 600_000,
});

export const aFramework = (): FrameworkInfo => ({ user: '', name: 'test', id: { value: FRAMEWORK }, capabilities: [{ type: 'PARTITION_AWARE' }] });

export const aTask = (id: string, change: Partial<TaskInfo> = {}): TaskInfo => ({
  name: id,
  task_id: { value: id },
  agent_id: { value: 'agent-1' },
  resources: [{ name: 'mem', type: 'SCALAR', scalar: { value: 32 } }],
  command: { value: 'run', environment: { variables: [{ name: 'PORT0', value: '31000' }] } },
  ...change,
});

export const ekidenData = (data: Partial<EkidenTaskData>): string => encodeData({ ekiden: 1, healthChecks: [], readinessCheck: null, ...data });

export const aHealthCheck = (change: Partial<HealthCheck> = {}): HealthCheck => ({
  protocol: 'HTTP',
  path: '/',
  portIndex: null,
  port: 31000,
  command: null,
  gracePeriodMs: 0,
  intervalMs: 1000,
  timeoutMs: 500,
  delayMs: 0,
  maxConsecutiveFailures: 3,
  ...change,
});
