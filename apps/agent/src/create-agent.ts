/**
 * Builds the working agent from its ports: recover what an earlier agent left, then follow the master.
 *
 * This is all of the agent that the simulator runs. It awaits nothing but ports (decision 25): no sockets, no files, no
 * timers but the clock's. main.ts hands in the real ones.
 */
import { killGraceMs, type FrameworkInfo, type TaskInfo } from '@ekiden/mesos';
import type { AgentId, TaskId, Timer } from '@ekiden/model';
import type { AgentPorts, AgentRecord, DiskMeter, TaskRecord } from './agent-ports.js';
import { MAX_PROBES } from './health/check-runner.js';
import { MasterLink, type MasterOrder, type Registered } from './link/master-link.js';
import { registration } from './link/registration.js';
import { unknownTaskStatus, type StatusFact } from './status/make-status.js';
import { StatusOutbox } from './status/status-outbox.js';
import { TaskSampler } from './statistics/task-sampler.js';
import { fetchHook } from './tasks/hooks/fetch.hook.js';
import { imageHook } from './tasks/hooks/image.hook.js';
import { healthHook } from './tasks/hooks/health.hook.js';
import { networkHook } from './tasks/hooks/network.hook.js';
import { portsHook } from './tasks/hooks/ports.hook.js';
import { readinessHook } from './tasks/hooks/readiness.hook.js';
import { sandboxHook } from './tasks/hooks/sandbox.hook.js';
import { DiskGuard } from './tasks/disk-guard.js';
import { entranceOf, type Entrance } from './tasks/enter-task.js';
import type { LiveTask } from './tasks/live-task.js';
import { recoverTasks } from './tasks/recover-tasks.js';
import { Slots } from './tasks/slots.js';
import { TaskRunner } from './tasks/task-runner.js';
import { TaskTable } from './tasks/task-table.js';

const DISK_CHECK_MS = 30_000;
const NO_METER: DiskMeter = { usedKib: () => Promise.reject(new Error('nobody measures sandboxes here')) };
export const AGENT_RECORD_VERSION = 1;
/** Promise 2: an unknown process of our groups is gone within a minute. */
export const SWEEP_INTERVAL_MS = 30_000;
/** Who this agent is could not be written down: tried again after this, since the next agent would be a stranger with its tasks. */
export const IDENTITY_RETRY_MS = 5_000;

export interface AgentView {
  readonly agentId: AgentId | null;
  readonly registered: boolean;
  readonly masterEpoch: number;
  /** Checkpoint files that could not be read at the start. */
  readonly damaged: readonly string[];
}

export interface Agent {
  /** Resolves when every earlier task is known again; the link to the master is then being opened. */
  start(): Promise<void>;
  /** Tasks run on. Resolves when all that was put off is on disk. */
  stop(): Promise<void>;
  /** Ends all tasks (TASK_KILLED), each with its own grace unless one is given. Resolves when that is on disk; nothing is started afterwards. */
  endTasks(graceMs: number | null): Promise<void>;
  /** What it can, or may run, has changed: the master is told anew. */
  registerAnew(): void;
  tasks(): readonly TaskRecord[];
  /** Null: it is not here, or its end is acknowledged. */
  task(taskId: TaskId): TaskRecord | null;
  /** How a command gets into a task. */
  entrance(taskId: TaskId): Entrance;
  view(): AgentView;
  /** What tasks use and have used. */
  readonly sampler: Pick<TaskSampler, 'look' | 'history'>;
  /** How much is remembered, by name: each is bounded by what is there. */
  sizes(): Readonly<Record<string, number>>;
}

export function createAgent(ports: AgentPorts): Agent {
  const { clock, log, config } = ports;
  const table = new TaskTable();
  const outbox = new StatusOutbox(ports, (task) => void runner.finish(task));
  const probes = new Slots(MAX_PROBES);
  const hooks = [
    sandboxHook(ports.sandboxes),
    fetchHook(ports.sandboxes, clock, (task, what) => runner.preparing(task, what)),
    imageHook(ports.images ?? null, clock, (task, what) => runner.preparing(task, what)),
    portsHook(ports.hostPorts),
    networkHook(ports.networks ?? null, log),
    healthHook(ports, probes, {
      changed: (task) => runner.report(task, HEALTH_CHANGED),
      killUnhealthy: (task, why) => {
        task.killMessage = why;
        runner.kill(task, null);
      },
    }),
    readinessHook(ports, probes, (task) => runner.report(task, READINESS_CHANGED)),
  ];
  let identity: AgentRecord = { v: AGENT_RECORD_VERSION, agentId: null, bootId: config.bootId, masterEpoch: 0 };
  let damaged: readonly string[] = [];
  let sweepTimer: Timer | null = null;
  let identityTimer: Timer | null = null;
  let isStopped = false;
  const runner = new TaskRunner(ports, table, outbox, hooks, () => identity.agentId);

  const diskPolicy = ports.disk === undefined ? 'off' : (config.diskPolicy ?? 'off');
  const diskGuard = new DiskGuard({
    clock,
    log,
    meter: ports.disk ?? NO_METER,
    policy: diskPolicy,
    intervalMs: config.diskCheckMs ?? DISK_CHECK_MS,
    tasks: () => table.all(),
    exceeded: (task, message) => runner.overDisk(task, message, diskPolicy),
  });

  const sampler = new TaskSampler({ clock, log, runtime: ports.runtime, networks: ports.networks, store: ports.history, tasks: () => table.all() });

  const admit = async (registered: Registered): Promise<string | null> => {
    if (registered.masterEpoch < identity.masterEpoch)
      return `epoch ${registered.masterEpoch} is over: a master of epoch ${identity.masterEpoch} has led since`;
    if (registered.masterEpoch === identity.masterEpoch && registered.agentId === identity.agentId) return null;
    identity = { ...identity, agentId: registered.agentId, masterEpoch: registered.masterEpoch };
    await saveIdentity();
    return null;
  };
  const saveIdentity = async (): Promise<void> => {
    identityTimer?.cancel();
    try {
      await ports.checkpoints.saveAgent(identity);
    } catch (error) {
      // The memory of this agent still refuses older masters; a full disk must not take the machine away.
      log.error('agent-checkpoint-failed', { why: String(error), againInMs: IDENTITY_RETRY_MS });
      identityTimer?.cancel();
      if (!isStopped) identityTimer = clock.after(IDENTITY_RETRY_MS, () => void saveIdentity());
    }
  };
  const link = new MasterLink(ports, {
    registration: () => registration(ports, identity, table.all()),
    admit,
    up: (send) => outbox.linkUp(send, table.all()),
    down: () => outbox.linkDown(),
    order: (order) => {
      try {
        handleOrder(order, { ports, table, outbox, runner, agentId: identity.agentId });
      } catch (error) {
        log.error('order-not-carried-out', { type: order.type, why: String(error) });
      }
    },
  });
  const needsNetwork = { has: (taskId: TaskId): boolean => table.get(taskId)?.ended === false };
  const sweep = async (): Promise<void> => {
    try {
      const killed = await ports.runtime.sweep(table.ids());
      if (killed > 0) log.warn('unknown-processes-killed', { killed });
    } catch (error) {
      log.warn('sweep-failed', { why: String(error) });
    }
    // Not awaited: a plugin that hangs keeps nobody from looking at processes again.
    void sweepNetworks();
    if (sweepTimer) sweepTimer = clock.after(SWEEP_INTERVAL_MS, () => void sweep());
  };
  const sweepNetworks = async (): Promise<void> => {
    try {
      const left = await ports.networks?.sweep(needsNetwork);
      if (left !== undefined && left > 0) log.warn('unknown-networks-removed', { left });
    } catch (error) {
      log.warn('sweep-failed', { why: String(error) });
    }
  };

  return {
    start: async () => {
      const left = await ports.checkpoints.load();
      damaged = left.damaged;
      for (const file of damaged) log.error('checkpoint-set-aside', { file });
      if (left.agent) identity = { ...left.agent, v: AGENT_RECORD_VERSION };
      await recoverTasks(left.tasks, { now: config.bootId, recorded: left.agent?.bootId ?? null }, { ports, table, runner, hooks });
      if (identity.bootId !== config.bootId || left.agent === null) {
        // Only once the lost tasks are known to be lost: a crash before this line recovers them as lost again.
        await Promise.all(table.all().map((task) => task.flush()));
        identity = { ...identity, bootId: config.bootId };
        await saveIdentity();
      }
      sweepTimer = clock.after(0, () => void sweep());
      diskGuard.start();
      void sampler.start(); // the history may take its time to be read
      link.start();
    },
    stop: async () => {
      isStopped = true;
      sweepTimer?.cancel();
      sweepTimer = null;
      identityTimer?.cancel();
      diskGuard.stop();
      link.stop();
      await Promise.all([runner.stop(), sampler.stop()]);
    },
    endTasks: (graceMs) => runner.endAll(graceMs),
    registerAnew: () => link.renew(),
    tasks: () => table.all().map((task) => task.record),
    task: (id) => table.get(id)?.record ?? null,
    entrance: (taskId) => entranceOf(table.get(taskId), config, identity.agentId),
    sizes: () => ({ tasks: table.size, statusesInFlight: outbox.size, killTimers: runner.killer.size, histories: sampler.size }),
    sampler,
    view: () => ({ agentId: identity.agentId, registered: link.isRegistered, masterEpoch: identity.masterEpoch, damaged }),
  };
}

const HEALTH_CHANGED: StatusFact = {
  state: 'TASK_RUNNING',
  source: 'SOURCE_EXECUTOR',
  reason: 'TASK_HEALTH_CHECK_STATUS_UPDATED',
  message: null,
  exit: null,
};
const READINESS_CHANGED: StatusFact = { ...HEALTH_CHANGED, reason: 'TASK_CHECK_STATUS_UPDATED' };

interface OrderContext {
  readonly ports: AgentPorts;
  readonly table: TaskTable;
  readonly outbox: StatusOutbox;
  readonly runner: TaskRunner;
  readonly agentId: AgentId | null;
}

/** A message that makes no sense (unknown task, executor of a stranger) is logged, or answered with what is known. */
function handleOrder(order: MasterOrder, { ports, table, outbox, runner, agentId }: OrderContext): void {
  const sayUnknown = (frameworkId: LiveTask['record']['frameworkId'], id: LiveTask['taskId']): void =>
    outbox.sendOnce(frameworkId, unknownTaskStatus(id, { now: ports.clock.now(), agentId }));
  switch (order.type) {
    case 'launch':
      for (const task of order.tasks) accept(runner, order.framework, task, ports); // one that is wrong keeps no other from starting
      return;
    case 'kill': {
      const task = table.get(order.taskId);
      if (task) runner.kill(task, killGraceMs(order.killPolicy));
      else if (!table.isFinished(order.taskId)) sayUnknown(order.frameworkId, order.taskId);
      return;
    }
    case 'resize': {
      const task = table.get(order.taskId);
      if (task) runner.resizer.resize(task, order);
      else if (!table.isFinished(order.taskId)) sayUnknown(order.frameworkId, order.taskId);
      return;
    }
    case 'acknowledge': {
      const task = table.get(order.taskId);
      if (task) outbox.acknowledge(task, order.uuid);
      else ports.log.debug('acknowledgement-of-unknown-task', { taskId: order.taskId });
      return;
    }
    case 'shutdown-framework':
      for (const task of table.all()) if (task.record.frameworkId === order.frameworkId) runner.abandon(task);
      return;
    case 'reconcile-tasks':
      for (const id of order.taskIds) if (!table.get(id)) sayUnknown(order.frameworkId, id);
      return;
    case 'message':
      ports.log.debug('message-to-no-executor', { executorId: order.executorId });
      return;
  }
}

/** What has no readable id cannot be answered, only logged: a master that checks its input never sends it. */
function accept(runner: TaskRunner, framework: FrameworkInfo, task: TaskInfo, { log }: AgentPorts): void {
  try {
    runner.accept(framework, task);
  } catch (error) {
    log.error('launch-refused', { why: error instanceof Error ? error.message : String(error) });
  }
}
