/**
 * What the invariants may look at: the committed rows, the machines, and the parts' own books where those are what is judged.
 *
 * `Scene` is the little of a world that this needs, so that a test can set one up by hand.
 */
import type { AppId, AppSpec, Instance, InstanceId, Instant, Resources } from '@ekiden/model';
import { parseTaskId } from '@ekiden/model';
import type { Agent } from '../../../apps/agent/src/create-agent.js';
import type { TaskRecord } from '../../../apps/agent/src/agent-ports.js';
import type { Master } from '../../../apps/master/src/master-ports.js';
import type { MemoryMasterDatabase } from '../../../apps/master/src/store/memory-master-store.js';
import type { PaasApi } from '../../../apps/paas-api/src/paas-api.js';
import type { MemoryPaasDatabase } from '../../../apps/paas-api/src/store/memory-store.js';
import type { SimProcess } from '../world/sim-process.js';
import type { SimEvent } from '../world/sim-event.js';
import { BooksOfTurn } from './books.js';
import { CommittedIndex } from './committed-index.js';
import { TouchedAgents } from './touched-agents.js';

export interface HostScene {
  readonly name: string;
  readonly resources: Resources;
  readonly machine: {
    alive(): readonly SimProcess[];
    /** The agent's own record, as it is on disk. */
    agentRecord(): { readonly masterEpoch: number } | null;
    /** Tasks with a checkpoint, as the next agent would find them. Reads the whole disk. */
    checkpointed(): readonly string[];
    readonly disk: { readonly trouble: string | null };
  };
  /** Changes with each start of the agent; null: it is down. */
  readonly process: object | null;
  readonly agent: Agent | null;
}

/** A connection of which an end is open. */
export interface WireScene {
  readonly by: string;
  readonly number: number;
  readonly isTroubled: boolean;
  readonly master: Master | null;
  isOpenAt(end: 'opener' | 'master'): boolean;
  silentMs(end: 'opener' | 'master'): number;
}

export interface Scene {
  readonly clock: { now(): Instant; after(ms: number, wake: () => void): unknown };
  readonly hosts: readonly HostScene[];
  readonly paasDatabase: MemoryPaasDatabase;
  readonly masterDatabase: MemoryMasterDatabase;
  readonly hasMaster: boolean;
  readonly master: Master;
  readonly hasApi: boolean;
  readonly api: PaasApi;
  /** The process of `api`. */
  readonly apiName: string;
  /** Ekiden's extensions are on: health is paas-api's to act on, not the agent's. */
  readonly hasExtensions: boolean;
  readonly areCallsSafe: boolean;
  readonly isStoreAway: boolean;
  /** Somebody cannot get through, or a connection of theirs is not what its ends believe. */
  readonly network: { isTroubled(by: string): boolean; readonly wires: Iterable<WireScene> };
  readonly limits: { readonly maxRunningDeployments: number; readonly maxLaunchesPerAccept: number; readonly launchTimeoutMs: number };
}

/** A process of paas-api; other callers of the master are frameworks of somebody else. */
export const isPaasApi = (by: string): boolean => by.startsWith('paas-api');

/** Read task ids that are remembered. */
const MAX_READ_IDS = 20_000;

export class Sight {
  readonly committed: CommittedIndex;
  readonly touched = new TouchedAgents((host) => this.agentIdOf(host));
  /** For looks at the end of a turn, and at scans. */
  readonly books = new BooksOfTurn(
    () => this.master(),
    (agentId) => this.touched.withTasks.has(agentId),
  );
  /** Task → its record, as last promised to be durable. */
  readonly checkpoints = new Map<string, TaskRecord>();
  /** Machine → the id under which a master last registered its agent. */
  private readonly agentIds = new Map<string, string>();
  private readonly byName = new Map<string, HostScene>();
  /** Task id → the instance that it names, once read: a scan asks about all of them. */
  private readonly instanceIds = new Map<string, InstanceId | null>();

  constructor(readonly scene: Scene) {
    this.committed = new CommittedIndex(scene.paasDatabase);
  }

  /** Keeps up with what happens, before any check looks. */
  follow(event: SimEvent): void {
    if (event.kind === 'committed') this.committed.apply(event.writes, event.before);
    else if (event.kind === 'turn-ended') this.books.turn();
    else if (event.kind === 'checkpointed') this.checkpoints.set(event.record.task.task_id.value, event.record);
    else if (event.kind === 'checkpoint-removed') this.checkpoints.delete(event.taskId);
    else if (event.kind === 'master-sent' && event.message.type === 'registered') this.agentIds.set(event.host, event.message.agentId);
    this.touched.follow(event);
  }

  /** False: of a framework of somebody else, whose doings are not judged here. */
  isOurs(taskId: string): boolean {
    const record = this.checkpoints.get(taskId);
    return record === undefined || this.database.frameworkId === null || record.frameworkId === this.database.frameworkId;
  }

  agentIdOf(host: string): string | null {
    return this.agentIds.get(host) ?? null;
  }

  now(): Instant {
    return this.scene.clock.now();
  }

  get database(): MemoryPaasDatabase {
    return this.scene.paasDatabase;
  }

  master(): Master | null {
    return this.scene.hasMaster ? this.scene.master : null;
  }

  api(): PaasApi | null {
    return this.scene.hasApi ? this.scene.api : null;
  }

  host(name: string): HostScene | undefined {
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    for (const host of this.scene.hosts) this.byName.set(host.name, host);
    return this.byName.get(name);
  }

  /** The instance that a task is, or was, of. */
  instanceOf(taskId: string): Instance | undefined {
    let id = this.instanceIds.get(taskId);
    if (id === undefined) {
      id = parseTaskId(taskId)?.instanceId ?? null;
      if (this.instanceIds.size >= MAX_READ_IDS) this.instanceIds.clear();
      this.instanceIds.set(taskId, id);
    }
    return id === null ? undefined : this.database.instances.get(id);
  }

  /** The spec that this instance was started with. */
  specOf(instance: Instance): AppSpec | undefined {
    return this.database.versions.get(instance.appId)?.get(instance.version)?.spec;
  }

  /** What an app is driven towards. */
  targetOf(id: AppId): { readonly spec: AppSpec; readonly configVersion: Instant } | undefined {
    const active = this.database.apps.get(id)?.activeVersion ?? null;
    return active === null ? undefined : this.database.versions.get(id)?.get(active);
  }

  /** Nothing stands between this machine and paas-api: stated times count from here. */
  isGood(host: HostScene): boolean {
    const { scene } = this;
    if (host.process === null || host.machine.disk.trouble !== null || scene.isStoreAway || !scene.hasMaster || !scene.hasApi) return false;
    if (scene.network.isTroubled(host.name) || scene.network.isTroubled('paas-api')) return false;
    const agentId = this.agentIdOf(host.name);
    if (!scene.api.isLeading || !scene.api.isConnected || agentId === null) return false;
    return scene.master.state.books(agentId)?.isConnected === true;
  }
}
