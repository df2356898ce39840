/**
 * The life of every task of a run as the kernel and the tasks' own journals tell it: when it started, when it was gone, and
 * who ended it, as far as that is ours to know.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseTaskId } from '@ekiden/model';
import { hasCode } from '../../libs/isolation/src/cgroup-driver.js';
import { AGENT_CPUS, AGENT_MEM_MIB, type Cluster } from './cluster.js';
import type { TaskProcess } from './processes.js';

const LOOK_EVERY_MS = 250;
/** Sums of fractions. */
const EPSILON = 1e-6;

export interface TaskLife {
  readonly taskId: string;
  readonly agent: string;
  readonly pid: number;
  readonly startTime: number;
  readonly seenAt: number;
  goneAt: number | null;
  /** When this run sent it SIGKILL itself. */
  killedByUsAt: number | null;
}

export interface JournalLine {
  readonly at: number;
  readonly what: 'start' | 'term' | 'exit';
}

export class TaskWatch {
  readonly lives = new Map<string, TaskLife>();
  readonly breaches: string[] = [];
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly cluster: Cluster) {}

  start(): void {
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.look();
  }

  alive(): TaskLife[] {
    return [...this.lives.values()].filter(({ goneAt }) => goneAt === null);
  }

  /** What a task has written of itself; empty when it never came to it. */
  journal(taskId: string): JournalLine[] {
    return readJournal(join(this.cluster.directory, 'journal', taskId));
  }

  /** Every task that ever wrote a line. */
  journals(): string[] {
    return readdirSync(join(this.cluster.directory, 'journal'));
  }

  look(): void {
    const now = Date.now();
    const seen = new Map<string, TaskProcess>();
    for (const one of this.cluster.taskProcesses()) {
      const first = seen.get(one.taskId);
      if (first === undefined || one.startTime < first.startTime) seen.set(one.taskId, one);
    }
    for (const life of this.lives.values()) if (life.goneAt === null && !seen.has(life.taskId)) life.goneAt = now;
    for (const one of seen.values()) this.meet(one, now);
    this.noTwins([...seen.keys()]);
    this.noOverCommit([...seen.values()]);
  }

  private meet({ taskId, agent, pid, startTime }: TaskProcess, now: number): void {
    const known = this.lives.get(taskId);
    if (known === undefined) {
      this.lives.set(taskId, { taskId, agent, pid, startTime, seenAt: now, goneAt: null, killedByUsAt: null });
      return;
    }
    if (known.pid !== pid || known.startTime !== startTime) this.breach(`2. ${taskId} was started twice: as ${known.pid} and as ${pid}`);
  }

  /** 2. An instance has at most one process. */
  private noTwins(taskIds: readonly string[]): void {
    const owners = new Map<string, string>();
    for (const taskId of taskIds) {
      const instance = parseTaskId(taskId)?.instanceId ?? taskId;
      const twin = owners.get(instance);
      if (twin !== undefined) this.breach(`2. one instance has two processes: ${[twin, taskId].sort().join(' and ')}`);
      owners.set(instance, taskId);
    }
  }

  /** 3. What runs on an agent never asks for more than it has. */
  private noOverCommit(processes: readonly TaskProcess[]): void {
    for (const agent of new Set(processes.map((one) => one.agent))) {
      const here = processes.filter((one) => one.agent === agent);
      const cpus = here.reduce((sum, one) => sum + one.cpus, 0);
      const memMib = here.reduce((sum, one) => sum + one.memMib, 0);
      if (cpus > AGENT_CPUS + EPSILON || memMib > AGENT_MEM_MIB + EPSILON)
        this.breach(
          `3. ${agent}: ${cpus.toFixed(2)} of ${AGENT_CPUS} cpus and ${memMib} of ${AGENT_MEM_MIB} MiB run: ${here.map((one) => one.taskId).join(' ')}`,
        );
    }
  }

  /** Each once, though it is seen with every look. */
  private breach(text: string): void {
    if (!this.breaches.includes(text)) this.breaches.push(text);
  }
}

function readJournal(file: string): JournalLine[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [at, what] = line.split(' ');
        return what === 'start' || what === 'term' || what === 'exit' ? [{ at: Number(at), what }] : [];
      });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
