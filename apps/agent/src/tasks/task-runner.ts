/**
 * Takes tasks from acceptance to their acknowledged end.
 *
 *   accept ─► preStart hooks ─► checkpoint "launching" ─► fork ─► TASK_RUNNING ─► … ─► end ─► status ─► acknowledged ─► forget
 *                                (promise 2: before the fork)
 *
 * Every step looks at the record first: a kill that came meanwhile ends the launch before the fork. Nothing here waits for a
 * framework; statuses wait in the outbox. The agent's restart is recover-tasks.ts.
 */
import { CONTAINER_SANDBOX, containerEnv, type TaskExit } from '@ekiden/isolation';
import type { FrameworkInfo, TaskInfo } from '@ekiden/mesos';
import { frameworkId, taskId, type AgentId } from '@ekiden/model';
import type { AgentPorts, DiskPolicy, TaskRecord } from '../agent-ports.js';
import { endFact, hasCapability, makeStatus, overDiskFact, type StatusFact } from '../status/make-status.js';
import { stopReport } from '../status/stop-report.js';
import type { StatusOutbox } from '../status/status-outbox.js';
import { CleanUp } from './clean-up.js';
import type { TaskHook } from './hooks/task-hook.js';
import { Killer } from './kill-task.js';
import { LiveTask } from './live-task.js';
import { NO_IMAGES } from './read-container.js';
import { readTask, type ReadTask, type TaskPlan, type TaskPolicy } from './read-task.js';
import { Resizer } from './resize-task.js';
import { Slots } from './slots.js';
import { taskEnv } from './task-env.js';
import { MAX_TASKS, type TaskTable } from './task-table.js';

export const TASK_RECORD_VERSION = 1;
/** Launches under way at once: enough to share fsyncs, few enough for the event loop to stay free. */
export const MAX_LAUNCHES = 16;
/** Those that fetch first may take minutes: they wait among themselves and hold up no other. */
export const MAX_FETCHING_LAUNCHES = 16;

/** What a task that cannot be run would do: nothing. Its record needs a plan all the same. */
const NO_PLAN: TaskPlan = {
  command: { kind: 'argv', argv: [] },
  container: null,
  env: {},
  user: null,
  limits: { cpusMilli: 0, memMib: 0 },
  isolation: {},
  artifacts: [],
  killGraceMs: null,
  healthChecks: [],
  readinessCheck: null,
  killsUnhealthy: false,
};

export class TaskRunner {
  readonly killer: Killer;
  readonly resizer: Resizer;
  private readonly cleanUp: CleanUp;
  private readonly launches = new Slots(MAX_LAUNCHES);
  private readonly fetchingLaunches = new Slots(MAX_FETCHING_LAUNCHES);
  private stopped = false;
  /** Set while all tasks are being ended: nothing new is started, and who waits is told when the last one is over. */
  private emptied: (() => void) | null = null;

  constructor(
    private readonly ports: AgentPorts,
    private readonly table: TaskTable,
    private readonly outbox: StatusOutbox,
    private readonly hooks: readonly TaskHook[],
    private readonly agentId: () => AgentId | null,
  ) {
    this.cleanUp = new CleanUp(ports, hooks);
    this.killer = new Killer(ports, { stopping: (task) => this.stopping(task), cancelled: (task) => this.cancelled(task) });
    this.resizer = new Resizer(ports, (task, message) => this.report(task, { ...RUNNING, source: 'SOURCE_AGENT', message }));
  }

  /** A LAUNCH: idempotent per task id. */
  accept(framework: FrameworkInfo, info: TaskInfo): void {
    const id = taskId(info.task_id.value);
    if (this.table.get(id) || this.table.isFinished(id)) {
      this.ports.log.info('launch-repeated', { taskId: id });
      return;
    }
    const { task, refusal } = this.liveTask({
      v: TASK_RECORD_VERSION,
      frameworkId: frameworkId(framework.id?.value ?? ''),
      framework,
      task: info,
      sandbox: '',
      runDir: '',
      bootId: this.ports.config.bootId,
      stage: 'accepted',
      launchedAt: this.ports.clock.now(),
      startedAt: null,
      kill: null,
      unacknowledged: [],
      latest: null,
    });
    const isFull = this.table.size >= MAX_TASKS;
    task.update({ user: task.plan.user });
    this.table.add(task);
    if (refusal !== null) this.ended(task, unstarted('TASK_ERROR', 'TASK_INVALID', refusal));
    else if (this.emptied) this.ended(task, unstarted('TASK_DROPPED', 'AGENT_DISCONNECTED', 'this agent is ending all its tasks'));
    else if (isFull) this.ended(task, unstarted('TASK_FAILED', 'CONTAINER_LAUNCH_FAILED', `this agent has ${MAX_TASKS} tasks already, which is its limit`));
    else void (task.plan.artifacts.length > 0 || task.plan.container !== null ? this.fetchingLaunches : this.launches).run(() => this.launch(task));
  }

  /** A record in memory. `refusal`: why its task cannot be run here. `policy`: by default what the operator says now. */
  liveTask(record: TaskRecord, policy: TaskPolicy = this.policy()): { readonly task: LiveTask; readonly refusal: string | null } {
    const read = readSafely(record.task, policy);
    return { task: new LiveTask(record, read.kind === 'plan' ? read.plan : NO_PLAN, this.ports), refusal: read.kind === 'refused' ? read.why : null };
  }

  private policy(): TaskPolicy {
    const { taskUser = null, allowedUsers = [], allowedCapabilities = [], containers = NO_IMAGES } = this.ports.config;
    return { taskUser, allowedUsers, allowedCapabilities, containers };
  }

  get isStopped(): boolean {
    return this.stopped;
  }

  kill(task: LiveTask, graceMs: number | null, overDisk?: string): void {
    this.killer.kill(task, graceMs ?? task.plan.killGraceMs ?? this.ports.config.defaultKillGraceMs, overDisk);
  }

  /** Its sandbox exceeds its disk. Nothing happens to a task that is being stopped already. */
  overDisk(task: LiveTask, message: string, policy: DiskPolicy): void {
    if (task.ended || task.record.kill) return;
    if (policy !== 'kill') return this.report(task, { ...RUNNING, source: 'SOURCE_AGENT', message });
    this.kill(task, null, message);
  }

  /** Its framework was torn down: it ends, and nobody acknowledges. */
  abandon(task: LiveTask): void {
    task.abandoned = true;
    if (task.ended) void this.finish(task);
    else this.kill(task, null);
  }

  /** Ends every task, each with its own grace unless one is given; resolves when all are over and that is on disk. */
  async endAll(graceMs: number | null): Promise<void> {
    const isEmpty = new Promise<void>((resolve) => (this.emptied = resolve));
    for (const task of this.table.all()) this.kill(task, graceMs);
    this.tellIfEmpty();
    await isEmpty;
    await Promise.all(this.table.all().map((task) => task.flush()));
  }

  private tellIfEmpty(): void {
    if (this.emptied && this.table.all().every((task) => task.ended)) this.emptied();
  }

  /** Makes the status and queues it; writes it down when convenient. */
  report(task: LiveTask, fact: StatusFact): void {
    const { clock, ids, config } = this.ports;
    const status = makeStatus(task, fact, { now: clock.now(), uuid: ids.uuid(), agentId: this.agentId(), ip: config.ip });
    this.outbox.push(task, status);
    task.saveSoon();
  }

  /** What is done before the start takes its time: TASK_STARTING says how far it is. */
  preparing(task: LiveTask, what: string): void {
    if (this.stopped || task.record.stage !== 'accepted' || task.record.kill) return;
    this.report(task, { state: 'TASK_STARTING', source: 'SOURCE_AGENT', reason: null, message: what, exit: null });
  }

  /** The process runs: it is watched, and a kill that is recorded goes on. */
  watch(task: LiveTask): void {
    this.ports.runtime.onExit(task.taskId, (exit) => this.endedWith(task, exit));
    if (task.record.kill) void this.killer.carryOut(task);
  }

  /** The last process is gone, or none was started. Only now are the ports free, and only now is it said (decision 18). */
  ended(task: LiveTask, fact: StatusFact): void {
    if (task.isOver || this.stopped) return;
    this.killer.drop(task.taskId);
    for (const hook of this.hooks.toReversed()) hook.postStop?.(task);
    const releases = this.hooks.toReversed().flatMap((hook) => hook.release?.(task) ?? []);
    if (releases.length === 0) return this.over(task, fact);
    task.releasing = Promise.all(releases).then(() => this.over(task, fact));
  }

  /** Nothing on the machine is its any more. An agent that stops before leaves that to the next one, which finds the task as it was. */
  private over(task: LiveTask, fact: StatusFact): void {
    if (this.stopped) return;
    task.releasing = null;
    task.update({ stage: 'ended' });
    this.report(task, fact);
    this.ports.log.info('task-ended', { taskId: task.taskId, state: task.record.latest?.state, why: fact.message });
    if (task.abandoned) void this.finish(task);
    this.tellIfEmpty();
  }

  /** The end is acknowledged: everything but the sandbox goes. */
  async finish(task: LiveTask): Promise<void> {
    const { latest, frameworkId: framework } = task.record;
    if (task.abandoned && latest) this.outbox.sendOnce(framework, withoutUuid(latest));
    this.outbox.drop(task.taskId);
    this.table.finish(task.taskId);
    await this.cleanUp.of(task);
  }

  /** Tasks run on; no timer of ours is left. Resolves when what was put off is on disk. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cleanUp.stop();
    for (const task of this.table.all()) {
      this.killer.drop(task.taskId);
      this.outbox.drop(task.taskId);
      for (const hook of this.hooks) hook.detach?.(task);
    }
    await Promise.all(this.table.all().map((task) => task.flush()));
  }

  private async launch(task: LiveTask): Promise<void> {
    task.isLaunching = true;
    this.ports.runtime.expectLaunch?.();
    try {
      for (const hook of this.hooks) {
        if (this.isCancelled(task)) return;
        await hook.preStart?.(task);
      }
      if (this.isCancelled(task)) return;
      task.update({ stage: 'launching', launchedAt: this.ports.clock.now() });
      await task.saveNow();
    } catch (error) {
      if (this.isCancelled(task)) return;
      const why = error instanceof Error ? error.message : String(error);
      this.ended(task, unstarted('TASK_FAILED', 'CONTAINER_LAUNCH_FAILED', `not started: ${why}`));
      return;
    }
    if (this.isCancelled(task)) return;
    const result = await this.ports.runtime.launch(this.launchSpec(task));
    if (this.stopped) return; // the next agent finds it in the run directory
    if (result.kind === 'failed') {
      this.ended(task, unstarted('TASK_FAILED', 'CONTAINER_LAUNCH_FAILED', result.reason));
      return;
    }
    task.pid = result.pid;
    task.update({ stage: 'running', startedAt: this.ports.clock.now() });
    this.report(task, RUNNING);
    for (const hook of this.hooks) hook.postStart?.(task);
    this.watch(task);
  }

  /** Killed before the fork: a launch that still waits for its turn is over, one that has begun is told not to take long. */
  private cancelled(task: LiveTask): void {
    if (task.isLaunching) for (const hook of this.hooks.toReversed()) hook.preStop?.(task);
    else if (task.record.stage === 'accepted') this.ended(task, KILLED_DURING_LAUNCH);
  }

  private isCancelled(task: LiveTask): boolean {
    if (this.stopped || task.isOver) return true;
    if (!task.record.kill) return false;
    this.ended(task, KILLED_DURING_LAUNCH);
    return true;
  }

  private launchSpec(task: LiveTask): Parameters<AgentPorts['runtime']['launch']>[0] {
    const { command, env, user, limits, isolation, container } = task.plan;
    const { sandbox, runDir, frameworkId: framework } = task.record;
    const place = { taskId: task.taskId, frameworkId: framework, agentId: this.agentId(), sandbox };
    const launch = { taskId: task.taskId, sandbox, runDir, user, limits, ...isolation };
    if (task.inContainer === null) return { ...launch, command, env: taskEnv(place, this.ports.config.baseEnv, env) };
    const { argv, spec } = task.inContainer;
    return {
      ...launch,
      command: { kind: 'argv', argv },
      // The agent's own PATH means nothing in an image.
      env: containerEnv(spec.image.config, taskEnv({ ...place, sandbox: CONTAINER_SANDBOX }, { ...spec.options?.env, ...addressEnv(task.network) }, env)),
      container: spec,
      security: {
        ...isolation.security,
        ...(container?.isPrivileged === true ? { isPrivileged: true } : {}),
        ...(spec.options?.noNewPrivs === true ? { noNewPrivs: true } : {}),
      },
    };
  }

  /** It was started, and is over: by itself, or because it was stopped. */
  endedWith(task: LiveTask, exit: TaskExit): void {
    const { kill } = task.record;
    const stop = kill === null ? null : stopReport(kill, exit, this.ports.clock.now());
    if (stop !== null) task.update({ stop });
    this.ended(task, kill?.overDisk === undefined ? endFact(exit, stop, task.killMessage) : overDiskFact(kill.overDisk, exit, stop));
  }

  private stopping(task: LiveTask): void {
    for (const hook of this.hooks.toReversed()) hook.preStop?.(task);
    if (task.record.latest?.state === 'TASK_KILLING' || !hasCapability(task.record.framework, 'TASK_KILLING_STATE')) return;
    this.report(task, { state: 'TASK_KILLING', source: 'SOURCE_EXECUTOR', reason: null, message: task.killMessage, exit: null });
  }
}

/** As Mesos tells it. */
const addressEnv = (network: LiveTask['network']): Readonly<Record<string, string>> => {
  const address = network?.addresses[0];
  return address === undefined ? {} : { MESOS_CONTAINER_IP: address };
};

/** A task that starts at once has no TASK_STARTING before: RUNNING would wait behind its acknowledgement (decision 3). */
export const RUNNING: StatusFact = { state: 'TASK_RUNNING', source: 'SOURCE_EXECUTOR', reason: null, message: null, exit: null };

export const KILLED_DURING_LAUNCH: StatusFact = {
  state: 'TASK_KILLED',
  source: 'SOURCE_AGENT',
  reason: 'TASK_KILLED_DURING_LAUNCH',
  message: 'killed before it was started',
  exit: null,
};

export const unstarted = (state: StatusFact['state'], reason: string, message: string): StatusFact => ({
  state,
  source: 'SOURCE_AGENT',
  reason,
  message,
  exit: null,
});

/** A field of a form that nobody has checked makes its own task wrong, and nothing else. */
function readSafely(task: TaskInfo, users: TaskPolicy): ReadTask {
  try {
    return readTask(task, users);
  } catch (error) {
    return { kind: 'refused', why: `the task's description cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function withoutUuid<T extends { uuid?: string }>(status: T): Omit<T, 'uuid'> {
  const { uuid: _unused, ...rest } = status;
  return rest;
}
