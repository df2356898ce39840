/**
 * What the tasks of this agent use: now, when somebody asks, and once a minute for the history.
 *
 * One call of the runtime for all tasks, whoever asks: answers within a second or more share one look. Without tasks nothing is looked at; without
 * a store for the history there is no timer either, and readers get what is used now. The history outlives the agent: it is written down
 * every ten minutes and at an orderly stop, so that a crash loses minutes of it. It is advice, nothing depends on it: what cannot be
 * read is begun anew.
 */
import type { InterfaceCounters, TaskStatistics } from '@ekiden/isolation';
import type { Clock, Instant, Log, TaskId, Timer } from '@ekiden/model';
import type { AgentPorts, HistoryStore, NetworkPort } from '../agent-ports.js';
import type { LiveTask } from '../tasks/live-task.js';
import { readStored, type StoredTask, writeStored } from './stored-history.js';
import { DAY_MS, measuredBetween, MINUTE_MS, nothingUsed, readingOf, TaskHistory, type Reading, type Series } from './task-history.js';

/** Within it the former answer still holds. */
export const LOOK_MS = 1_000;
/** And for so many times what it took: a thousand tasks that are watched cost no more than a twentieth of a cpu. */
export const REST_FACTOR = 20;
/** Tasks with a history, ended ones included: 11 MiB at most. Those that ended first go first; a task beyond it has none. */
export const MAX_HISTORIES = 1_000;
/** Rounds between two times that the history is written down. */
export const SAVE_EVERY_ROUNDS = 10;

/** Used since the reading before: on average over `secs`. */
export interface RecentUse {
  readonly secs: number;
  readonly cpus: number;
  /** Null without a hard limit, or when it did not want to run. */
  readonly throttledShare: number | null;
  readonly readBytesPerSec: number | null;
  readonly writtenBytesPerSec: number | null;
}

export interface TaskUse {
  readonly task: LiveTask;
  readonly statistics: TaskStatistics;
  /** Of its own network, as it sees it; null: it has the machine's, or one that nobody counts. */
  readonly traffic: InterfaceCounters | null;
  /** Null when nothing is known of the time before. */
  readonly recent: RecentUse | null;
}

export interface Look {
  readonly at: Instant;
  readonly tasks: ReadonlyMap<TaskId, TaskUse>;
}

export interface SamplerPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly runtime: Pick<AgentPorts['runtime'], 'stats'>;
  /** Absent: no task has a network of its own. */
  readonly networks?: Pick<NetworkPort, 'traffic'> | undefined;
  /** Absent: no history is kept. */
  readonly store: HistoryStore | undefined;
  tasks(): readonly LiveTask[];
}

interface Kept {
  readonly history: TaskHistory;
  /** The end of the last stretch; null when the next one begins a new stretch. */
  last: Reading | null;
}

const NOTHING: Look = { at: Number.NEGATIVE_INFINITY, tasks: new Map() };

export class TaskSampler {
  private latest: Look = NOTHING;
  private holdsMs = LOOK_MS;
  /** In the order in which they began; an ended one stays until it is too old. */
  private readonly kept = new Map<TaskId, Kept>();
  private timer: Timer | null = null;
  private isStopped = false;
  private rounds = 0;
  private saving: Promise<void> = Promise.resolve();

  constructor(private readonly ports: SamplerPorts) {}

  /** Takes up the history where the former agent has left it. Never rejects. */
  async start(): Promise<void> {
    const { store, log } = this.ports;
    if (store === undefined) return;
    try {
      const stored = readStored(await store.load());
      for (const { taskId, history, last } of stored.slice(-MAX_HISTORIES)) this.kept.set(taskId, { history, last });
    } catch (error) {
      log.warn('history-begun-anew', { why: String(error) });
    }
    if (this.isStopped) return;
    this.forget(this.ports.clock.now());
    this.next();
  }

  /** Resolves when what is known is written down. */
  async stop(): Promise<void> {
    this.isStopped = true;
    if (this.timer === null) return;
    this.timer.cancel();
    this.timer = null;
    this.save();
    await this.saving;
  }

  /** What the running tasks use, a second old, or older if it takes long to find out. Throws what the runtime throws. */
  look(): Look {
    const now = this.ports.clock.now();
    const age = now - this.latest.at;
    return age >= 0 && age < this.holdsMs ? this.latest : this.lookAgain(now);
  }

  /** Of a running task, or of one that has ended within the day. Null: there is none. */
  history(taskId: TaskId): readonly Series[] | null {
    return this.kept.get(taskId)?.history.series() ?? null;
  }

  get size(): number {
    return this.kept.size;
  }

  private lookAgain(now: Instant): Look {
    const running = new Map(this.ports.tasks().flatMap((task) => (task.record.stage === 'running' ? [[task.taskId, task] as const] : [])));
    const found = running.size === 0 ? new Map<TaskId, TaskStatistics>() : this.ports.runtime.stats([...running.keys()]);
    const traffic = running.size === 0 ? undefined : this.ports.networks?.traffic([...running.keys()]);
    const tasks = new Map<TaskId, TaskUse>();
    for (const [taskId, task] of running) {
      const statistics = found.get(taskId);
      if (statistics !== undefined)
        tasks.set(taskId, { task, statistics, traffic: traffic?.get(taskId) ?? null, recent: this.recentUse(task, now, statistics) });
    }
    this.latest = { at: now, tasks };
    this.holdsMs = Math.max(LOOK_MS, REST_FACTOR * (this.ports.clock.now() - now));
    return this.latest;
  }

  private recentUse(task: LiveTask, at: Instant, statistics: TaskStatistics): RecentUse | null {
    const before = this.readingBefore(task);
    const use = before === null ? null : measuredBetween(before, readingOf(at, statistics));
    if (use === null) return null;
    return {
      secs: use.secs,
      cpus: use.cpuSecs / use.secs,
      throttledShare: use.periods === 0 ? null : use.throttledPeriods / use.periods,
      readBytesPerSec: statistics.io === null ? null : use.readBytes / use.secs,
      writtenBytesPerSec: statistics.io === null ? null : use.writtenBytes / use.secs,
    };
  }

  /** Of the look before, else of the last minute of the history, else of its start. */
  private readingBefore(task: LiveTask): Reading | null {
    const looked = this.latest.tasks.get(task.taskId);
    if (looked !== undefined) return readingOf(this.latest.at, looked.statistics);
    const { startedAt } = task.record;
    return this.kept.get(task.taskId)?.last ?? (startedAt === null ? null : nothingUsed(startedAt));
  }

  private next(): void {
    const now = this.ports.clock.now();
    this.timer = this.ports.clock.after(MINUTE_MS - (now % MINUTE_MS), () => this.round());
  }

  private round(): void {
    if (this.timer === null) return;
    try {
      this.keep();
    } catch (error) {
      this.ports.log.warn('tasks-not-measured', { why: String(error) });
    }
    this.rounds += 1;
    if (this.rounds % SAVE_EVERY_ROUNDS === 0 && this.kept.size > 0) this.save();
    this.next();
  }

  private keep(): void {
    const { at, tasks } = this.lookAgain(this.ports.clock.now());
    for (const [taskId, { task, statistics }] of tasks) {
      const kept = this.keptOf(taskId, task);
      const now = readingOf(at, statistics);
      const measured = kept.last === null ? null : measuredBetween(kept.last, now);
      if (measured !== null) kept.history.add(at, measured);
      kept.last = now;
    }
    this.forget(at);
  }

  /** A task that is met for the first time has begun within the last minute, unless an agent without a history ran it. */
  private keptOf(taskId: TaskId, task: LiveTask): Kept {
    const known = this.kept.get(taskId);
    if (known !== undefined) return known;
    const { startedAt } = task.record;
    const isNew = startedAt !== null && this.ports.clock.now() - startedAt <= MINUTE_MS;
    const made: Kept = { history: TaskHistory.empty(), last: isNew ? nothingUsed(startedAt) : null };
    this.kept.set(taskId, made);
    return made;
  }

  private forget(now: Instant): void {
    const running = new Set(this.ports.tasks().flatMap((task) => (task.record.stage === 'running' ? [task.taskId] : [])));
    const ended = [...this.kept].filter(([taskId]) => !running.has(taskId)).sort(([, a], [, b]) => a.history.until - b.history.until);
    let surplus = this.kept.size - MAX_HISTORIES;
    for (const [taskId, { history }] of ended) {
      if (surplus <= 0 && history.until > now - DAY_MS) break;
      this.kept.delete(taskId);
      surplus -= 1;
    }
    // More tasks run than there is room for: those that came last have none.
    for (const taskId of [...this.kept.keys()].slice(MAX_HISTORIES)) this.kept.delete(taskId);
  }

  /** One write at a time; a failure is logged and the next one tries again. */
  private save(): void {
    const { store, log } = this.ports;
    const stored: StoredTask[] = [...this.kept].map(([taskId, { history, last }]) => ({ taskId, history, last }));
    this.saving = this.saving.then(() => store?.save(writeStored(stored))).catch((error: unknown) => log.warn('history-not-written', { why: String(error) }));
  }
}
