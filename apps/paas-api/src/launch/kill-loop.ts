/**
 * Sends KILL for every recorded stop that is due, again and again until its task is gone; and for strays, which no row
 * knows.
 *
 * What is to be killed is read from committed instances; only when a kill was last sent is remembered. A kill that was
 * lost is repeated after `killRetryMs`, and at once over a new stream. Strays are kept in memory: the next leader hears of
 * them as this one did, by its reconciliation.
 */
import type { SchedulerClient } from '@ekiden/framework-sdk';
import { killPolicyOf } from '@ekiden/mesos';
import type { AgentId, AppId, Instance, Instant, TaskId, Timer } from '@ekiden/model';
import { liveTask } from '@ekiden/model';
import type { Committed, Ledger } from '../ledger/ledger.js';
import { policyOf } from '../ledger/record-step.js';
import type { PaasPorts } from '../paas-api.js';

/** Strays remembered at once; the rest are found again by the next reconciliation. */
const MAX_STRAYS = 10_000;

export class KillLoop {
  /** App → task → when its KILL was sent last. Apps with stops under way only. */
  private readonly sent = new Map<AppId, ReadonlyMap<TaskId, Instant>>();
  private readonly timers = new Map<AppId, Timer>();
  /** Tasks of nobody that are not known to be gone, and where they run. */
  private readonly strays = new Map<TaskId, AgentId | null>();
  private strayTimer: Timer | null = null;
  private isStopped = false;

  constructor(
    private readonly ports: PaasPorts,
    private readonly ledger: Ledger,
    private readonly client: () => SchedulerClient,
  ) {}

  /** A new stream: what was sent over the old one may be lost. */
  connected(): void {
    const apps = [...this.sent.keys()];
    this.sent.clear();
    for (const id of apps) this.look(id);
    this.killStrays();
  }

  stop(): void {
    this.isStopped = true;
    this.strayTimer?.cancel();
    for (const timer of this.timers.values()) timer.cancel();
  }

  sizes(): { readonly appsStopping: number; readonly killTimers: number; readonly strays: number } {
    return { appsStopping: this.sent.size, killTimers: this.timers.size, strays: this.strays.size };
  }

  committed({ looked }: Committed): void {
    for (const id of looked) this.look(id);
  }

  /** A task that belongs to nobody: killed until it is known to be gone. */
  killStray(taskId: TaskId, agent: AgentId | null): void {
    if (this.strays.size < MAX_STRAYS || this.strays.has(taskId)) this.strays.set(taskId, agent);
    this.sendStrayKill(taskId, agent);
    this.armStrays();
  }

  /** It has ended, or nobody can reach it: if it ever returns, its status says so. */
  strayIsGone(taskId: TaskId): void {
    this.strays.delete(taskId);
  }

  private killStrays(): void {
    for (const [taskId, agent] of this.strays) this.sendStrayKill(taskId, agent);
    this.armStrays();
  }

  private armStrays(): void {
    if (this.strayTimer !== null || this.strays.size === 0 || this.isStopped) return;
    this.strayTimer = this.ports.clock.after(this.ports.config.killRetryMs, () => {
      this.strayTimer = null;
      this.killStrays();
    });
  }

  private sendStrayKill(taskId: TaskId, agent: AgentId | null): void {
    if (this.client().connection === null) return;
    this.ports.log.info('killing a task that belongs to no instance', { taskId, agentId: agent });
    void this.client().call({ type: 'KILL', kill: { task_id: { value: taskId }, ...(agent === null ? {} : { agent_id: { value: agent } }) } });
  }

  private look(id: AppId): void {
    if (this.isStopped) return;
    this.timers.get(id)?.cancel();
    this.timers.delete(id);
    const now = this.ports.clock.now();
    const before = this.sent.get(id);
    const after = new Map<TaskId, Instant>();
    let next = Infinity;
    for (const instance of this.ledger.state.instances(id)) {
      const task = instance.stop === null || instance.condition.kind === 'unreachable' ? null : liveTask(instance);
      if (task === null || instance.stop === null) continue;
      const last = before?.get(task.taskId) ?? null;
      const due = last === null ? instance.stop.killAt : last + this.ports.config.killRetryMs;
      const isDue = due <= now && this.client().connection !== null;
      if (isDue) this.kill(instance, task.taskId, task.agentId);
      const at = isDue ? now : last;
      after.set(task.taskId, at ?? -Infinity);
      next = Math.min(next, isDue ? now + this.ports.config.killRetryMs : Math.max(due, now + 1));
    }
    if (after.size === 0) this.sent.delete(id);
    else this.sent.set(id, new Map([...after].filter(([, at]) => at !== -Infinity)));
    if (next !== Infinity && this.client().connection !== null) {
      this.timers.set(
        id,
        this.ports.clock.after(next - now, () => this.look(id)),
      );
    }
  }

  private kill(instance: Instance, taskId: TaskId, agent: AgentId): void {
    const policy = killPolicyOf(policyOf(this.ledger.state, instance)?.killGraceMs ?? null);
    this.ports.log.info('killing a task', { taskId, agentId: agent, appId: instance.appId, instanceId: instance.id, reason: instance.stop?.reason });
    void this.client().call({
      type: 'KILL',
      kill: { task_id: { value: taskId }, agent_id: { value: agent }, ...(policy === undefined ? {} : { kill_policy: policy }) },
    });
  }
}
