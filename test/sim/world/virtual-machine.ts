/**
 * A simulated machine: a disk and processes that outlive the agent, and the agent's ports on top of them.
 *
 * What an agent wrote stays after its death; tasks run on, end, and their exit records wait. How a task behaves is told by
 * its command line: `run`, `exit N after MS`, `ignore-term`, `unkillable`, `unhealthy`, `hang`, `stops in MS`, `holds MIB`,
 * `cannot start`; any may be made sick, slow or deaf for a while (`sim-process.ts`).
 */
import type { AgentPorts, AgentRecord, CheckpointStore, HostPorts, PreparationWatch, Probe, SandboxPort } from '../../../apps/agent/src/agent-ports.js';
import { AGENT_FILE, fsCheckpointStore, JOURNAL, metaOf } from '../../../apps/agent/src/checkpoint/fs-checkpoint-store.js';
import { parseAgentRecord } from '../../../apps/agent/src/checkpoint/record-format.js';
import { readJournal } from '../../../apps/agent/src/checkpoint/task-journal.js';
import type { LaunchLimits, LaunchResult, LaunchSpec, Recovered, ResizeResult, TaskExit, TaskRuntime, TaskStatistics } from '@ekiden/isolation';
import type { Artifact, Clock, TaskId } from '@ekiden/model';
import { Chance } from './chance.js';
import type { EndedBy, Tell } from './sim-event.js';
import { newProcess, type SimProcess } from './sim-process.js';
import { VirtualDisk, type Survival } from './virtual-disk.js';
import { VirtualNetworks } from './virtual-networks.js';
import { virtualProbe } from './virtual-probe.js';
import { VirtualImages, VirtualRegistry } from './virtual-registry.js';

const WORK_DIR = '/var/lib/ekiden-agent';
/** Each disk of a machine has chances of its own. */
const DISK_SEEDS = 1_009;
/** What every process here has used: time alone makes nothing of a simulated one. */
const IDLE: TaskStatistics = {
  cpu: { totalSecs: 0, userSecs: 0, systemSecs: 0 },
  throttling: null,
  memory: { rssBytes: 0, workingSetBytes: 0, cacheBytes: 0, totalBytes: 0, swapBytes: 0, peakBytes: null, limitBytes: null },
  io: null,
  processes: 1,
  threads: 1,
};
/** Between two pieces of a slow fetch. */
const FETCH_STEP_MS = 500;
/** Processes that `started` remembers. */
const MAX_REMEMBERED = 50;

export class VirtualMachine {
  /** The newest processes that were started here, oldest first. */
  readonly started: SimProcess[] = [];
  /** How often each task was started here in its life. */
  readonly starts = new Map<TaskId, number>();
  disk: VirtualDisk;
  readonly networks: VirtualNetworks;
  private images: VirtualImages;
  bootId = 'boot-1';
  /** Set: nothing can be started, for this reason. */
  forkError: string | null = null;
  /** Ports at which somebody else listens. */
  readonly strangers = new Set<number>();
  /** Called before and after the effect of each port call of the agent. */
  atPort: (() => void) | null = null;
  /** Processes that run, and ended ones whose run directory is still there. */
  private readonly processes = new Map<TaskId, SimProcess>();
  private readonly running = new Set<SimProcess>();
  /** Run directories that recovery found empty: a late supervisor does not start there any more. */
  private readonly claimed = new Set<TaskId>();
  private readonly watchers = new Map<TaskId, (exit: TaskExit) => void>();
  private nextPid = 100;
  private disks = 0;

  constructor(
    private readonly clock: Clock,
    readonly name: string,
    /** Decides what its disk loses. */
    private readonly seed: number,
    private readonly tell: Tell = () => undefined,
    private readonly registry = new VirtualRegistry(),
  ) {
    this.disk = this.newDisk();
    this.images = new VirtualImages(registry);
    this.networks = new VirtualNetworks(clock, name, tell);
  }

  alive(): SimProcess[] {
    return [...this.running];
  }

  /** Ends a process from outside, as `kill -9` would. */
  end(taskId: TaskId, exit: Partial<TaskExit>, by: EndedBy = 'fate'): void {
    const process = this.processes.get(taskId);
    if (process === undefined || process.exit !== null) return;
    process.exit = { code: null, signal: null, oomKilled: false, lost: null, ...exit };
    this.running.delete(process);
    this.tell({ kind: 'process-ended', host: this.name, process, by });
    const ended = process.exit;
    const watcher = this.watchers.get(taskId);
    this.watchers.delete(taskId);
    if (watcher !== undefined) this.clock.after(1, () => watcher(ended));
  }

  /** The agent died: nobody is called back any more. */
  forgetWatchers(): void {
    this.watchers.clear();
  }

  /** Power off and on: no process survives, nor all that was not synced. */
  reboot(bootId: string, survival?: Survival): void {
    this.disk.powerCut(survival);
    this.networks.reboot();
    this.forgetWatchers();
    for (const process of this.alive()) this.end(process.taskId, { lost: 'host restarted' });
    this.bootId = bootId;
  }

  /** A new disk: the next agent here is a new one. */
  reinstall(bootId: string): void {
    this.reboot(bootId);
    this.processes.clear();
    this.disk = this.newDisk();
    this.images = new VirtualImages(this.registry);
  }

  runtime(): TaskRuntime {
    return {
      name: 'process',
      launch: (spec) => this.launchSoon(spec),
      recover: (taskId) => this.after(1, () => this.recover(taskId)),
      onExit: (taskId, ended) => {
        const process = this.processes.get(taskId);
        if (process?.exit) this.clock.after(0, () => ended(process.exit!));
        else this.watchers.set(taskId, ended);
      },
      resize: (taskId, limits) => this.resize(taskId, limits),
      terminate: (taskId) => {
        const process = this.processes.get(taskId);
        if (process !== undefined) this.terminate(process);
      },
      kill: (taskId) => {
        if (this.processes.get(taskId)?.command.includes('unkillable') !== true) this.end(taskId, { signal: 'SIGKILL' }, 'agent');
      },
      stats: (taskIds) => new Map(taskIds.flatMap((taskId) => (this.processes.get(taskId)?.exit === null ? [[taskId, IDLE] as const] : []))),
      forget: (taskId) => this.after(0, () => void this.processes.delete(taskId)),
      sweep: (known) => this.after(1, () => this.sweep(known)),
    };
  }

  /** The real store on the virtual disk, as one process of the agent opens it. */
  checkpoints(isAlive: () => boolean): CheckpointStore {
    const store = fsCheckpointStore(
      WORK_DIR,
      this.disk.mount(isAlive, () => this.atPort?.()),
    );
    return {
      load: () => store.load(),
      saveAgent: (record) => store.saveAgent(record),
      saveTask: async (record) => {
        await store.saveTask(record);
        this.tell({ kind: 'checkpointed', host: this.name, record });
      },
      removeTask: async (taskId) => {
        await store.removeTask(taskId);
        this.tell({ kind: 'checkpoint-removed', host: this.name, taskId });
      },
    };
  }

  /** As it is on disk. */
  agentRecord(): AgentRecord | null {
    const content = this.disk.read(`${metaOf(WORK_DIR)}/${AGENT_FILE}`);
    return content === null ? null : parseAgentRecord(content.toString('utf8'));
  }

  /** Tasks with a checkpoint, as the next agent would find them. */
  checkpointed(): string[] {
    const content = this.disk.read(`${metaOf(WORK_DIR)}/${JOURNAL}`);
    return content === null ? [] : [...readJournal(content, () => undefined).live.keys()];
  }

  sandboxes(): SandboxPort {
    return {
      create: (taskId) => this.after(0, () => ({ sandbox: `/sandboxes/${taskId}`, runDir: `/runs/${taskId}` })),
      fetch: (_sandbox, artifacts, _user, watch) => this.fetch(artifacts, watch),
      retire: () => this.after(0, () => undefined),
    };
  }

  probe(): Probe {
    return virtualProbe(
      this.clock,
      () => this.running,
      () => this.atPort?.(),
      (host) => this.networks.at(host),
    );
  }

  ports(isAlive: () => boolean): Required<Pick<AgentPorts, 'checkpoints' | 'runtime' | 'sandboxes' | 'hostPorts' | 'probe' | 'images' | 'networks'>> {
    const after = <T>(ms: number, work: () => T): Promise<T> => this.after(ms, work);
    return {
      checkpoints: this.checkpoints(isAlive),
      runtime: this.runtime(),
      sandboxes: this.sandboxes(),
      hostPorts: this.hostPorts(),
      probe: this.probe(),
      images: { ensure: (wish) => this.images.ensure(wish, after), openVolumes: (volumes) => after(0, () => volumes) },
      networks: this.networks.port(after),
    };
  }

  hostPorts(): HostPorts {
    return { taken: (wanted) => this.after(0, () => wanted.filter(({ port }) => this.strangers.has(port))) };
  }

  /** `http://slow/12000`: takes so many ms, and tells how far it is; anything else is there at once. */
  private async fetch(artifacts: readonly Artifact[], { stop, tell }: PreparationWatch): Promise<void> {
    for (const { uri } of artifacts) {
      const totalMs = Number(/^http:\/\/slow\/(\d+)$/.exec(uri)?.[1] ?? 0);
      for (let ms = 0; ms < totalMs; ms += FETCH_STEP_MS) {
        tell(() => `fetching ${uri}: ${ms} of ${totalMs}`);
        await this.after(FETCH_STEP_MS, () => undefined);
        if (stop.aborted) throw new Error(`cannot fetch ${uri}: its task was stopped`);
      }
    }
    await this.after(0, () => undefined);
  }

  private newDisk(): VirtualDisk {
    return new VirtualDisk(this.clock, new Chance(this.seed + DISK_SEEDS * this.disks++));
  }

  /** A launch that was under way when the machine went down is not made up for by the next boot. */
  private launchSoon(spec: LaunchSpec): Promise<LaunchResult> {
    const { bootId } = this;
    return this.after(2, () => (this.bootId === bootId ? this.launch(spec) : { kind: 'failed', reason: 'host restarted' }));
  }

  private launch(spec: LaunchSpec): LaunchResult {
    if (this.claimed.has(spec.taskId)) return { kind: 'failed', reason: 'its run directory was given up by a recovery' };
    const command = spec.command.kind === 'shell' ? spec.command.line : spec.command.argv.join(' ');
    if (this.forkError !== null) return { kind: 'failed', reason: this.forkError };
    if (command.includes('cannot start')) return { kind: 'failed', reason: 'no such file' };
    const process = newProcess(spec, this.nextPid++, command);
    this.starts.set(spec.taskId, (this.starts.get(spec.taskId) ?? 0) + 1);
    this.processes.set(spec.taskId, process);
    this.running.add(process);
    this.started.push(process);
    if (this.started.length > MAX_REMEMBERED) this.started.shift();
    this.tell({ kind: 'process-started', host: this.name, process });
    const planned = /exit (\d+) after (\d+)/.exec(command);
    if (planned !== null) this.clock.after(Number(planned[2]), () => this.end(spec.taskId, { code: Number(planned[1]) }, 'itself'));
    return { kind: 'started', pid: process.pid };
  }

  private resize(taskId: TaskId, { cpusMilli, memMib }: LaunchLimits): ResizeResult {
    const process = this.processes.get(taskId);
    if (process === undefined || process.exit !== null) return { kind: 'refused', reason: `the task "${taskId}" does not run` };
    if (process.holdsMib > memMib) return { kind: 'refused', reason: `it holds ${process.holdsMib} MiB of memory, more than the ${memMib} MiB` };
    const from = process.size;
    process.size = { cpusMilli, memMib };
    this.tell({ kind: 'process-resized', host: this.name, process, from });
    return { kind: 'resized' };
  }

  private terminate(process: SimProcess): void {
    const end = (): void => this.end(process.taskId, { signal: 'SIGTERM' }, 'agent');
    if (process.endsAtTerm !== null) this.end(process.taskId, process.endsAtTerm, 'itself');
    else if (process.ignoresTerm) return;
    else if (process.stopMs > 0) this.clock.after(process.stopMs, end);
    else end();
  }

  private recover(taskId: TaskId): Recovered {
    const process = this.processes.get(taskId);
    if (process === undefined) {
      this.claimed.add(taskId);
      return { kind: 'never-started' };
    }
    return process.exit === null ? { kind: 'running', pid: process.pid } : { kind: 'exited', exit: process.exit };
  }

  private sweep(known: ReadonlySet<TaskId>): number {
    let killed = 0;
    for (const { taskId } of this.running) {
      if (known.has(taskId)) continue;
      this.end(taskId, { signal: 'SIGKILL' }, 'agent');
      killed += 1;
    }
    return killed;
  }

  private after<T>(ms: number, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.clock.after(ms, () => {
        this.atPort?.();
        try {
          resolve(work());
          this.atPort?.();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }
}
