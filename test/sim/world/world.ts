/**
 * A whole Ekiden in virtual time: one master, agents on virtual machines, one paas-api, all of them the code that runs in
 * production. Each can be killed and started again at any moment; what it wrote stays.
 */
import { appId, EkidenError, type AppId, type Attributes, type Ids, type Random, type Resources } from '@ekiden/model';
import { createAgent, type Agent } from '../../../apps/agent/src/create-agent.js';
import type { AgentConfig } from '../../../apps/agent/src/agent-ports.js';
import { createMaster } from '../../../apps/master/src/create-master.js';
import type { Master } from '../../../apps/master/src/master-ports.js';
import { createMemoryMasterStore, MemoryMasterDatabase, type MemoryMasterStore } from '../../../apps/master/src/store/memory-master-store.js';
import { createPaasApi } from '../../../apps/paas-api/src/create-paas-api.js';
import type { Caller, PaasApi } from '../../../apps/paas-api/src/paas-api.js';
import { createMemoryPaasStore, MemoryPaasDatabase, type CommitFault, type MemoryPaasStore } from '../../../apps/paas-api/src/store/memory-store.js';
import { countedIds, seededRandom, VirtualClock } from './virtual-clock.js';
import { withGuardedWires } from './guarded-master.js';
import type { SimProcess } from './sim-process.js';
import { VirtualMachine } from './virtual-machine.js';
import { VirtualNetwork } from './virtual-network.js';
import { VirtualRegistry } from './virtual-registry.js';
import { LogBook } from './log-book.js';
import { printWorld } from './print-world.js';
import { Witnesses } from './sim-event.js';
import { AGENT_CONFIG, MASTER_CONFIG, PAAS_CONFIG } from './configs.js';
import { withRetention } from './with-retention.js';
import { judgeFromNow } from '../invariants.js';
import type { Judge } from '../invariants/judge.js';
import { rowsBefore } from './rows-before.js';
import { watchedApi } from './watched-api.js';
import type { ApiProcess, MasterProcess } from './part-processes.js';
import { VirtualProcess, type PortTrap } from './virtual-process.js';

/** Each machine of each seed has chances of its own. */
const MAX_HOST_SEEDS = 1_000_003;

export const CALLER: Caller = { clientIp: '127.0.0.1', uri: '/v2/apps' };

export const SMALL_MACHINE: Resources = { cpusMilli: 4000, memMib: 4096, diskMib: 10_000, gpus: 0, ports: [{ begin: 31_000, end: 31_099 }] };

/** One agent's place: the machine stays, the process on it comes and goes. */
export interface Host {
  readonly name: string;
  readonly machine: VirtualMachine;
  attributes: Attributes;
  resources: Resources;
  process: VirtualProcess | null;
  agent: Agent | null;
}

export class World {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly ids: Ids;
  readonly log = new LogBook();
  readonly network: VirtualNetwork;
  readonly hosts: Host[] = [];
  readonly registry = new VirtualRegistry();
  readonly paasDatabase = new MemoryPaasDatabase();
  readonly masterDatabase = new MemoryMasterDatabase();
  /** Faults of the next commits of paas-api, one each: lost before they were written, or only their answer lost. */
  readonly commitFaults: CommitFault[] = [];
  commitDelayMs: () => number = () => 1;
  /** The next master that starts announces Ekiden's extensions; without: plain Mesos mode. */
  hasExtensions = true;
  /** Called before and after the effect of each commit of paas-api. */
  atCommit: (() => void) | null = null;
  /** Calls of paas-api are neither lost nor late, as far as it is connected. */
  areCallsSafe = true;
  /** Are told of all that happens. */
  readonly witnesses = new Witnesses();
  /** Holds this world to the invariants from its beginning. */
  readonly judge: Judge;
  readonly limits = PAAS_CONFIG;
  /** Is told of each call of each port; may end the process at it. */
  portTrap: PortTrap | null = null;
  /** How far ahead the clock of the next process of this name is: `master`, `paas-api`, a host's name. */
  skewMs: (name: string) => number = () => 0;
  /** A store does not answer now. */
  isStoreAway = false;
  /** Whose next process loses its connection while it reads what it leads. */
  readonly breaksNextStart = new Set<'master' | 'paas-api'>();
  /** Processes of paas-api and masters that run, oldest first: of each one leads, others wait for the lead or have lost it unawares. */
  private readonly apis: ApiProcess[] = [];
  private readonly masters: MasterProcess[] = [];
  /** Whether somebody gets to a master that has lost the lead and does not know it yet. */
  reachesStaleMaster: () => boolean = () => false;
  private starts = 0;
  private requests = 0;

  constructor(private readonly seed: number) {
    this.random = seededRandom(seed);
    this.ids = countedIds();
    const { tell } = this.witnesses;
    const master = (): Master | null => {
      const stale = this.masters.findLast((one) => one.lead === 'lost');
      return (stale !== undefined && this.reachesStaleMaster() ? stale : this.leadingMaster)?.core ?? null;
    };
    this.network = new VirtualNetwork(this.clock, master, tell);
    this.judge = judgeFromNow(this);
    this.clock.atTurnEnd = this.witnesses.turnEnded;
  }

  /** A running cluster: master, `agents` machines, paas-api leading and connected. */
  static async start(seed: number, agents = 1, options: { readonly extensions?: boolean } = {}): Promise<World> {
    const world = new World(seed);
    world.hasExtensions = options.extensions ?? true;
    await world.startMaster();
    for (let i = 1; i <= agents; i++) world.addHost(`agent-${i}`, { rack: `r${i}` });
    await world.startApi();
    await world.clock.until('all agents registered', () => world.master.state.agents().filter((agent) => agent.connected).length === agents);
    return world;
  }

  get master(): Master {
    const { leadingMaster } = this;
    if (leadingMaster === undefined) throw new Error('the master is down');
    return leadingMaster.core;
  }

  /** The one that leads; else the one that was started last. */
  get api(): PaasApi {
    const { currentApi } = this;
    if (currentApi === undefined) throw new Error('paas-api is down');
    return currentApi.core;
  }

  /** One that has lost the lead and does not know it yet. */
  get staleApi(): PaasApi | null {
    return this.apis.find((one) => one.core.isLeading && one !== this.currentApi)?.core ?? null;
  }

  get paasStore(): MemoryPaasStore | null {
    return this.currentApi?.store ?? null;
  }

  get masterStore(): MemoryMasterStore | null {
    return this.currentMaster?.store ?? null;
  }

  /** What each process has of the database: all of them. */
  stores(): readonly (MemoryPaasStore | MemoryMasterStore)[] {
    return [...this.apis, ...this.masters].map((one) => one.store);
  }

  async startMaster(): Promise<void> {
    this.launchMaster();
    await this.clock.until('the master leads', () => this.hasMaster);
  }

  /** Starts a master, whether another one runs or not; it is there once it leads. */
  launchMaster(): VirtualProcess {
    const process = this.process('master');
    const store = createMemoryMasterStore(this.masterDatabase);
    if (this.breaksNextStart.delete('master')) store.breakNext('lead');
    const config = { ...MASTER_CONFIG, extensions: this.hasExtensions };
    const core: Master = withGuardedWires(
      process,
      createMaster({ ...process.world(), config, store: process.guard('store', store) }, () => this.endMaster(master, 'the master ended')),
    );
    const master: MasterProcess = { process, store, core, lead: 'none' };
    this.masters.push(master);
    void core.start().then(
      () => {
        if (!process.isAlive) return;
        for (const other of this.masters) if (other.lead === 'present') other.lead = 'lost';
        master.lead = 'present';
      },
      () => this.endMaster(master, 'the master could not start'),
    );
    return process;
  }

  killMaster(): void {
    if (this.currentMaster !== undefined) this.endMaster(this.currentMaster, 'the master died');
  }

  private endMaster(master: MasterProcess, why: string): void {
    const at = this.masters.indexOf(master);
    if (at < 0) return;
    master.process.kill();
    this.masters.splice(at, 1);
    this.network.cutMaster(master.core, why);
    master.store.crash();
  }

  addHost(name: string, attributes: Attributes = {}, resources: Resources = SMALL_MACHINE): Host {
    const machine = new VirtualMachine(this.clock, name, this.seed * MAX_HOST_SEEDS + this.hosts.length, this.witnesses.tell, this.registry);
    const host: Host = { name, machine, attributes, resources, process: null, agent: null };
    this.hosts.push(host);
    this.startAgent(host);
    return host;
  }

  /** Throws when its disk has no room to begin with: nothing has started then. */
  startAgent(host: Host): void {
    const process = this.process(host.name);
    const machine = host.machine.ports(() => process.isAlive);
    host.process = process;
    const config: AgentConfig = {
      ...AGENT_CONFIG,
      hostname: host.name,
      ip: `10.0.1.${this.hosts.indexOf(host) + 1}`,
      resources: host.resources,
      attributes: host.attributes,
      bootId: host.machine.bootId,
    };
    const agent = createAgent({
      ...process.world(),
      config,
      checkpoints: process.guard('checkpoints', machine.checkpoints),
      runtime: process.guard('runtime', machine.runtime),
      sandboxes: process.guard('sandboxes', machine.sandboxes),
      hostPorts: process.guard('hostPorts', machine.hostPorts),
      probe: process.guard('probe', machine.probe),
      images: process.guard('images', machine.images),
      networks: process.guard('networks', machine.networks),
      master: process.guard('master', {
        connect: (sink) => {
          const link = this.network.connector(host.name).connect({
            opened: process.mute(() => sink.opened()),
            message: process.mute((message: Parameters<typeof sink.message>[0]) => sink.message(message)),
            closed: process.mute((why: string) => sink.closed(why)),
          });
          return process.guard('link', link);
        },
      }),
    });
    host.agent = agent;
    void agent.start();
  }

  /** `kill -9` of the agent: its tasks run on. `isSilent`: its machine has no power, and tells nobody that connections are closed. */
  killAgent(host: Host, isSilent = false): void {
    host.process?.kill();
    host.process = null;
    host.agent = null;
    host.machine.forgetWatchers();
    if (isSilent) this.network.vanish(host.name);
    else this.network.died(host.name, 'the agent died');
  }

  async startApi(): Promise<void> {
    await this.settle('paas-api leads', this.launchApi().start());
  }

  /** Starts one without waiting for it; it ends when it cannot load. */
  bootApi(): VirtualProcess {
    const { process, core } = this.createApi();
    core.start().catch(() => this.kill(process));
    return process;
  }

  /** A second one, started by mistake, or the next one while the old still runs. */
  launchApi(): PaasApi {
    return this.createApi().core;
  }

  private createApi(): ApiProcess {
    const process = this.process('paas-api');
    const transport = this.network.transport(process.name);
    const store = withRetention(process, createMemoryPaasStore(this.paasDatabase));
    if (this.breaksNextStart.delete('paas-api')) store.breakNext('load');
    const raw = createPaasApi({
      ...process.world(),
      config: PAAS_CONFIG,
      store: process.guard('store', { ...store, commit: this.commits(store, process.name) }),
      transport: process.guard('transport', {
        subscribe: (call, sink) =>
          transport.subscribe(call, {
            opened: process.mute((streamId: string) => sink.opened(streamId)),
            event: process.mute((event: Parameters<typeof sink.event>[0]) => sink.event(event)),
            closed: process.mute((why: string) => sink.closed(why)),
          }),
        call: (streamId, call) => transport.call(streamId, call),
      }),
    });
    const core = watchedApi(raw, process.name, () => ++this.requests, this.witnesses.tell);
    const api: ApiProcess = { process, store, core };
    this.apis.push(api);
    // One that does not lead any more ends its process, as main.ts does.
    void core.stopped.then(() => this.kill(process));
    return api;
  }

  /** The store's commit: it takes a while either way, may fail as asked, and is seen by whoever wants to know. */
  private commits(store: MemoryPaasStore, by: string): MemoryPaasStore['commit'] {
    return async (epoch, writes) => {
      await this.pause(this.commitDelayMs());
      const fault = this.commitFaults.shift() ?? null;
      this.atCommit?.();
      if (fault === 'before') throw unavailable();
      if (fault === 'conflict') store.failNextCommit(fault);
      const before = rowsBefore(this.paasDatabase, writes);
      await store.commit(epoch, writes);
      this.log.note(writes);
      this.witnesses.tell({ kind: 'committed', by, epoch, writes, before });
      this.atCommit?.();
      await this.pause(this.commitDelayMs());
      if (fault === 'after') throw unavailable();
    };
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }

  killApi(): void {
    if (this.currentApi !== undefined) this.endApi(this.currentApi);
  }

  private endApi(api: ApiProcess): void {
    const at = this.apis.indexOf(api);
    if (at < 0) return;
    api.process.kill();
    this.apis.splice(at, 1);
    this.network.died(api.process.name, 'paas-api died');
    api.store.crash();
  }

  /** Creates or updates an app as a user would, and waits for the answer (not for the deployment). */
  async put(id: string, body: Record<string, unknown>, force = false): Promise<void> {
    const defaults = this.api.view.app(appId(id)) === null ? { cmd: 'run', cpus: 0.1, mem: 32 } : {};
    const change = this.api.changeApps([{ id: appId(id), body: { ...defaults, ...body }, partial: true, expect: 'any' }], { force, caller: CALLER });
    await this.settle(`PUT ${id}`, change);
  }

  /** Runs virtual time until a promise of a core settles. */
  async settle<T>(what: string, promise: Promise<T>): Promise<T> {
    let outcome: { value: T } | { error: unknown } | null = null;
    promise.then(
      (value) => (outcome = { value }),
      (error: unknown) => (outcome = { error }),
    );
    await this.clock.until(what, () => outcome !== null);
    const settled = outcome as unknown as { value: T } | { error: unknown };
    if ('error' in settled) throw settled.error;
    return settled.value;
  }

  running(id: string): number {
    return this.api.view.instances(id as AppId).filter((instance) => instance.condition.kind === 'running').length;
  }

  /** Everything that was asked for is so, and nothing is under way. */
  async converged(limitMs = 120_000): Promise<void> {
    const isRight = (): boolean => this.api.view.deployments().length === 0 && this.api.view.apps().every((app) => this.api.view.plan(app.id)?.done === true);
    try {
      await this.clock.until('no deployment runs and every plan is done', isRight, limitMs);
    } catch (error) {
      throw new Error(`${String(error)}\n${printWorld(this.currentApi?.core.view ?? null, this.processes(), this.log)}`, { cause: error });
    }
  }

  processes(): SimProcess[] {
    return this.hosts.flatMap((host) => host.machine.alive());
  }

  get hasMaster(): boolean {
    return this.leadingMaster !== undefined;
  }

  get hasApi(): boolean {
    return this.apis.length > 0;
  }

  private get leadingMaster(): MasterProcess | undefined {
    return this.masters.find((one) => one.lead === 'present');
  }

  private get currentMaster(): MasterProcess | undefined {
    return this.leadingMaster ?? this.masters.at(-1);
  }

  private get currentApi(): ApiProcess | undefined {
    return this.apis.findLast((one) => one.core.isLeading) ?? this.apis.at(-1);
  }

  /** `kill -9` of whatever this process is. */
  kill(process: VirtualProcess): void {
    const host = this.hosts.find((one) => one.process === process);
    const master = this.masters.find((one) => one.process === process);
    const api = this.apis.find((one) => one.process === process);
    if (host !== undefined) this.killAgent(host);
    if (master !== undefined) this.endMaster(master, 'the master died');
    if (api !== undefined) this.endApi(api);
  }

  /** Of the process that `api` is. */
  get apiName(): string {
    return this.currentApi?.process.name ?? '';
  }

  private process(name: string): VirtualProcess {
    return new VirtualProcess(`${name}#${++this.starts}`, this.clock, this.random, this.ids, this.log, () => this.portTrap, this.skewMs(name));
  }
}

const unavailable = (): EkidenError => new EkidenError('store-unavailable', 'the store did not answer; whether it wrote is unknown');
