/**
 * Asks the master what it knows: about every recorded task after each subscription, again with growing pauses until all
 * are answered, and about all that it knows besides; later from time to time first about all that it knows, which mostly
 * answers for every recorded task, then about those which it did not name (promise 5). A task that is out of reach is
 * asked about once a minute: its agent may come back without it, and no master has to say so.
 *
 * A launch of the present stream is not asked about: the question could overtake its ACCEPT (decision 2).
 */
import type { SchedulerClient } from '@ekiden/framework-sdk';
import { liveTask, parseTaskId, type AgentId, type Instance, type Instant, type TaskId, type TaskRef, type TaskState, type Timer } from '@ekiden/model';
import type { Committed, Ledger } from '../ledger/ledger.js';
import type { PaasPorts } from '../paas-api.js';
import { OpenQuestions } from './open-questions.js';

const MAX_TASKS_PER_CALL = 1_000;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
/** Answers that may change without anything being said. */
const OUT_OF_REACH: ReadonlySet<TaskState> = new Set(['TASK_UNREACHABLE', 'TASK_UNKNOWN']);

export class Reconciliation {
  /** Asked about over this stream, and not answered yet, or not for good. */
  private readonly open = new OpenQuestions();
  private timer: Timer | null = null;
  /** When everything is asked about again. */
  private allAt: Instant = 0;
  private pauseMs = FIRST_PAUSE_MS;

  constructor(
    private readonly ports: PaasPorts,
    private readonly ledger: Ledger,
    private readonly client: () => SchedulerClient,
  ) {}

  connected(): void {
    this.askAll(true);
  }

  disconnected(): void {
    this.timer?.cancel();
    this.timer = null;
    this.open.clear();
  }

  sizes(): { readonly questionsOpen: number } {
    return { questionsOpen: this.open.size };
  }

  stop(): void {
    this.disconnected();
  }

  /** A task that was forgotten, or replaced, needs no answer any more. */
  committed({ changed }: Committed): void {
    for (const id of changed) this.open.keep(id, (taskId) => this.isRecorded(taskId));
  }

  /** A status about this task has come. */
  answered(taskId: TaskId, state: TaskState): void {
    if (!OUT_OF_REACH.has(state)) {
      this.open.delete(taskId);
      return;
    }
    if (this.open.has(taskId) || !this.isRecorded(taskId)) return;
    this.open.add(taskId);
    if (this.open.size > 1) return; // The others are waited for already.
    this.pauseMs = MAX_PAUSE_MS;
    this.arm();
  }

  /**
   * The master has given an agent up. A master that began after the agent was last here knows none of its tasks, and names
   * none: whatever has not been told a moment later is asked about.
   */
  agentFailed(agentId: AgentId): void {
    this.ports.clock.after(FIRST_PAUSE_MS, () => {
      if (this.client().connection === null) return;
      const isUntold = ({ condition }: Instance): boolean => condition.kind !== 'unreachable';
      this.ask(this.tasksToAskAbout(isUntold).filter((task) => task.agentId === agentId));
    });
  }

  /** `isFirst`: over this stream; nothing is known yet, and each answer is waited for. */
  private askAll(isFirst: boolean): void {
    this.open.clear();
    this.pauseMs = FIRST_PAUSE_MS;
    this.allAt = this.ports.clock.now() + this.ports.config.reconcileIntervalMs;
    const tasks = this.tasksToAskAbout();
    for (const task of tasks) this.open.add(task.taskId);
    if (isFirst) this.ask(tasks);
    // Whatever else the master runs for us: strays are found by it.
    void this.client().call({ type: 'RECONCILE', reconcile: { tasks: [] } });
    this.arm();
  }

  private askOpen(): void {
    const tasks = this.tasksToAskAbout().filter((task) => this.open.has(task.taskId));
    this.ask(tasks);
    this.pauseMs = Math.min(MAX_PAUSE_MS, this.pauseMs * 2);
    this.arm();
  }

  private arm(): void {
    this.timer?.cancel();
    const leftMs = Math.max(0, this.allAt - this.ports.clock.now());
    this.timer = this.ports.clock.after(this.open.size > 0 ? Math.min(this.pauseMs, leftMs) : leftMs, () => {
      if (this.client().connection === null) return;
      if (this.ports.clock.now() >= this.allAt) this.askAll(false);
      else this.askOpen();
    });
  }

  private ask(tasks: readonly TaskRef[]): void {
    for (let from = 0; from < tasks.length; from += MAX_TASKS_PER_CALL) {
      const slice = tasks.slice(from, from + MAX_TASKS_PER_CALL);
      void this.client().call({
        type: 'RECONCILE',
        reconcile: { tasks: slice.map((task) => ({ task_id: { value: task.taskId }, agent_id: { value: task.agentId } })) },
      });
    }
  }

  private isRecorded(taskId: TaskId): boolean {
    const id = parseTaskId(taskId)?.instanceId;
    const instance = id === undefined ? null : this.ledger.state.instance(id);
    return instance !== null && liveTask(instance)?.taskId === taskId;
  }

  private tasksToAskAbout(isMeant: (instance: Instance) => boolean = () => true): readonly TaskRef[] {
    const streamId = this.client().connection?.streamId;
    const tasks: TaskRef[] = [];
    for (const instance of this.ledger.state.allInstances()) {
      const task = liveTask(instance);
      if (task !== null && isMeant(instance) && (instance.condition.kind !== 'provisioned' || task.streamId !== streamId)) tasks.push(task);
    }
    return tasks;
  }
}
