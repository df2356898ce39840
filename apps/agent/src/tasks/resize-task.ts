/**
 * Gives a running task more or fewer cpus, more or less memory, while it runs.
 *
 *   order ─► record ("begun", the larger of both sizes counts) ─► durable ─► limits of its groups ─► record (the size in force) ─► status
 *
 * The record comes first, so that an agent that dies in between leaves no limit of which nobody knows: the next one does it again,
 * which changes nothing where it was done. The outcome is in the data of every status from then on; the first one is sent until
 * it is acknowledged. A change that is refused leaves the task as it was. Of two orders the one with the higher revision counts.
 */
import type { ResizeResult } from '@ekiden/isolation';
import { decodeStatusData, type ResizeReport } from '@ekiden/mesos';
import { describeSize, largerSize, type TaskId, type TaskSize } from '@ekiden/model';
import type { AgentPorts, TaskRecord } from '../agent-ports.js';
import type { LiveTask } from './live-task.js';
import { limitsOfSize, sizeOf, withSize } from './task-size.js';

export interface ResizeOrder {
  readonly revision: number;
  readonly size: TaskSize;
}

type Resize = NonNullable<TaskRecord['resize']>;
type Outcome = { readonly refused: string | null };

/** What of the record every status says; undefined: nobody has asked, or the first answer is still to come. */
export function resizeReport({ resize, latest }: TaskRecord): ResizeReport | undefined {
  if (resize === undefined || resize.outcome === null) return decodeStatusData(latest?.data)?.resize;
  const { revision, from, to, outcome } = resize;
  return { revision, ...(outcome.refused === null ? to : from), refused: outcome.refused };
}

export class Resizer {
  /** Tasks of which a change is being carried out. */
  private readonly underWay = new Set<TaskId>();

  constructor(
    private readonly ports: Pick<AgentPorts, 'runtime' | 'log'>,
    /** Makes a status of it. */
    private readonly told: (task: LiveTask, message: string) => void,
  ) {}

  /** Answers at once. What came before is answered again, since whoever repeats it has missed the answer. */
  resize(task: LiveTask, { revision, size }: ResizeOrder): void {
    const { stage, kill, resize: before } = task.record;
    if (stage !== 'running' || kill !== null) return; // Its end says all that there is to say.
    if (before !== undefined && revision <= before.revision) {
      if (before.outcome !== null) this.tell(task, before.outcome);
      return;
    }
    const from = inForce(task.record);
    // One that is under way may yet be done: what that would take counts as well.
    const counted = before?.outcome === null ? sizeOf(task.record.task) : from;
    task.update({ resize: { revision, from, to: size, outcome: null }, task: withSize(task.record.task, largerSize(counted, size)) });
    void this.carryOut(task);
  }

  /** The agent before this one may have died in the middle of it. */
  recover(task: LiveTask): void {
    const asked = this.due(task);
    if (asked === null || task.record.kill !== null) return;
    // At once where the runtime can: then the registration says what is in force.
    const outcome = this.apply(task, asked.to);
    if ('then' in outcome) void this.carryOut(task, outcome);
    else this.settle(task, asked, outcome);
  }

  /** One at a time for a task: orders that come meanwhile are looked at in its turn, and of those only the newest is done. */
  private async carryOut(task: LiveTask, begun: Promise<Outcome> | null = null): Promise<void> {
    if (this.underWay.has(task.taskId)) return;
    this.underWay.add(task.taskId);
    try {
      const first = begun === null ? null : this.due(task);
      if (first !== null && begun !== null) this.settle(task, first, await begun);
      for (let asked = this.due(task); asked !== null; asked = this.due(task)) {
        const refused = await task.saveNow().then(
          () => null,
          (error: unknown) => `it could not be written down: ${String(error)}`,
        );
        if (this.due(task)?.revision !== asked.revision) continue; // Overtaken before anything was done, or the task has ended.
        const outcome = refused === null ? this.apply(task, asked.to) : { refused };
        this.settle(task, asked, 'then' in outcome ? await outcome : outcome);
      }
    } finally {
      this.underWay.delete(task.taskId);
    }
  }

  /** What is to be done for it. Null: nothing. */
  private due({ record }: LiveTask): Resize | null {
    const { stage, resize } = record;
    return stage === 'running' && resize?.outcome === null ? resize : null;
  }

  /** At once where the runtime can. */
  private apply(task: LiveTask, size: TaskSize): Outcome | Promise<Outcome> {
    const { runtime } = this.ports;
    const limits = limitsOfSize(task.plan.limits, size);
    if (limits.kind === 'refused') return { refused: limits.why };
    if (runtime.resize === undefined) return { refused: `the \`${runtime.name}\` runtime cannot change the size of a running task` };
    const result = runtime.resize(task.taskId, limits.limits);
    return 'then' in result ? result.then(outcomeOf) : outcomeOf(result);
  }

  private settle(task: LiveTask, { revision, to, from }: Resize, outcome: Outcome): void {
    const { resize, task: info, stage } = task.record;
    if (resize === undefined || stage !== 'running') return; // Its end says all that there is to say.
    const size = outcome.refused === null ? to : from;
    task.resized(size);
    if (resize.revision !== revision) {
      // A newer one came while it was done: that one begins from here.
      task.update({ resize: { ...resize, from: size }, task: withSize(info, largerSize(size, resize.to)) });
      return;
    }
    task.update({ resize: { ...resize, outcome }, task: withSize(info, size) });
    this.ports.log.info('task-resized', { taskId: task.taskId, revision, ...size, refused: outcome.refused });
    this.tell(task, outcome);
  }

  private tell(task: LiveTask, { refused }: Outcome): void {
    const size = describeSize(inForce(task.record));
    this.told(task, refused === null ? `resized in place: ${size}` : `not resized, it keeps ${size}: ${refused}`);
  }
}

const outcomeOf = (result: ResizeResult): Outcome => ({ refused: result.kind === 'resized' ? null : result.reason });

/** What its groups are limited to now. */
function inForce({ resize, task }: TaskRecord): TaskSize {
  if (resize === undefined) return sizeOf(task);
  return resize.outcome?.refused === null ? resize.to : resize.from;
}
