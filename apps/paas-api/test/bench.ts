/** A core with a fake master on a virtual clock, and sentences about it. */
import { appId, type AppId, type Ids, type Log, type Resources } from '@ekiden/model';
import { seededRandom, VirtualClock } from '../../../test/sim/world/virtual-clock.js';
import { createPaasApi } from '../src/create-paas-api.js';
import type { Caller, PaasApi, PaasConfig } from '../src/paas-api.js';
import type { EventRow } from '../src/store/paas-store.js';
import { createMemoryPaasStore, MemoryPaasDatabase, type MemoryPaasStore } from '../src/store/memory-store.js';
import { FakeMaster } from './fake-master.js';

export const CALLER: Caller = { clientIp: '127.0.0.1', uri: '/v2/apps' };
export const WEB = appId('/web');
export const NO_FORCE = { force: false, caller: CALLER };
export const FORCE = { force: true, caller: CALLER };
export const BIG: Resources = { cpusMilli: 64_000, memMib: 65_536, diskMib: 0, gpus: 0, ports: [{ begin: 31_000, end: 31_999 }] };

export const TEST_CONFIG: PaasConfig = {
  address: 'paas:8080',
  hostname: 'paas',
  frameworkName: 'marathon',
  user: 'root',
  role: '*',
  failoverTimeoutMs: 604_800_000,
  servicePorts: { min: 10_000, max: 20_000 },
  maxRunningDeployments: 100,
  killRetryMs: 30_000,
  launchTimeoutMs: 300_000,
  reconcileIntervalMs: 600_000,
  sweepIntervalMs: 30_000,
  declineMs: 120_000,
  maxLaunchesPerAccept: 100,
};

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: unknown;
}

/** One process of paas-api after another, on one database and one master. */
export class Bench {
  readonly clock = new VirtualClock();
  readonly master = new FakeMaster(this.clock);
  readonly database = new MemoryPaasDatabase();
  readonly events: EventRow[] = [];
  readonly logged: LogLine[] = [];
  store: MemoryPaasStore = createMemoryPaasStore(this.database);
  api: PaasApi;
  private starts = 0;

  constructor(readonly config: Partial<PaasConfig> = {}) {
    this.api = this.build();
  }

  static async started(config: Partial<PaasConfig> = {}, agents = 1): Promise<Bench> {
    const bench = new Bench(config);
    for (let index = 1; index <= agents; index += 1) bench.master.addAgent(`agent-${index}`, BIG);
    await bench.start();
    return bench;
  }

  async start(): Promise<void> {
    void this.api.start();
    await this.clock.until('subscribed', () => this.api.isConnected);
  }

  /** The process dies without a word, and a new one starts. */
  async restart(): Promise<void> {
    this.crash();
    await this.start();
  }

  crash(): void {
    this.store.setAvailable(false);
    this.store.crash();
    void this.api.stop();
    this.master.cut();
    this.store = createMemoryPaasStore(this.database);
    this.api = this.build();
  }

  build(store = this.store): PaasApi {
    this.starts += 1;
    const log = (level: string) => (event: string, fields?: unknown) => void this.logged.push({ level, event, fields });
    const logger: Log = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
    const api = createPaasApi({
      clock: this.clock,
      random: seededRandom(this.starts),
      ids: countingIds(this.starts),
      log: logger,
      config: { ...TEST_CONFIG, ...this.config },
      store,
      transport: this.master,
    });
    api.onEvent((event) => this.events.push(event));
    return api;
  }

  /** Answers of a change, with the clock running until it has one. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const done = promise.finally(() => (isDone = true));
    done.catch(() => undefined);
    await this.clock.until('an answer', () => isDone);
    return done;
  }

  async put(body: Record<string, unknown> & { id?: string }, options = NO_FORCE) {
    const id = appId(body.id ?? '/web');
    return this.settle(this.api.changeApps([{ id, body: { cmd: 'sleep 1000', cpus: 0.1, mem: 32, ...body }, partial: false, expect: 'any' }], options));
  }

  async patch(id: AppId, body: Record<string, unknown>, options = NO_FORCE) {
    return this.settle(this.api.changeApps([{ id, body, partial: true, expect: 'present' }], options));
  }

  quiet(what = 'no deployment runs'): Promise<void> {
    return this.clock.until(what, () => this.api.view.deployments().length === 0, 900_000);
  }

  running(id: AppId = WEB) {
    return this.api.view.instances(id).filter((instance) => instance.condition.kind === 'running');
  }

  taskOf(index = 0, id: AppId = WEB): string {
    const { condition } = this.running(id)[index] ?? {};
    if (condition?.kind !== 'running') throw new Error(`${id} has no running instance ${index}`);
    return condition.task.taskId;
  }

  eventTypes(): string[] {
    return this.events.map((event) => event.type);
  }
}

function countingIds(start: number): Ids {
  let count = 0;
  return { uuid: () => `${String(start).padStart(8, '0')}-0000-1000-8000-${(++count).toString(16).padStart(12, '0')}` };
}
