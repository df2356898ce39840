/** A process on a simulated machine: what a task's launch made there. */
import type { LaunchSpec, TaskExit } from '@ekiden/isolation';
import type { TaskId, TaskSize } from '@ekiden/model';

export interface SimProcess {
  readonly taskId: TaskId;
  readonly spec: LaunchSpec;
  readonly pid: number;
  readonly command: string;
  /** Whether it was given this port. */
  listensTo(port: number): boolean;
  /** What its groups are limited to. */
  size: TaskSize;
  /** Memory that it has, and gives back to nobody. */
  readonly holdsMib: number;
  exit: TaskExit | null;
  /** Fails its probes until then. */
  sickUntil: number;
  /** Answers no probe until then: who asks waits for its time-out. */
  hangsUntil: number;
  /** How long an answer takes until `slowUntil`. */
  slowUntil: number;
  slowMs: number;
  ignoresTerm: boolean;
  /** From SIGTERM to its end. */
  stopMs: number;
  /** Set: it ends by itself, so, at the very moment at which SIGTERM is sent. */
  endsAtTerm: Partial<TaskExit> | null;
}

/** As its command line says: `ignore-term`, `unkillable`, `hang`, `stops in MS`. */
export function newProcess(spec: LaunchSpec, pid: number, command: string): SimProcess {
  const ports = new Set(Object.values(spec.env).flatMap((value) => (/^\d+$/.test(value) ? [Number(value)] : [])));
  return {
    taskId: spec.taskId,
    spec,
    pid,
    command,
    listensTo: (port) => ports.has(port),
    size: { cpusMilli: spec.limits.cpusMilli, memMib: spec.limits.memMib },
    holdsMib: Number(/holds (\d+)/.exec(command)?.[1] ?? 0),
    exit: null,
    sickUntil: 0,
    hangsUntil: command.includes('hang') ? Number.POSITIVE_INFINITY : 0,
    slowUntil: 0,
    slowMs: 0,
    ignoresTerm: /ignore-term|unkillable/.test(command),
    stopMs: Number(/stops in (\d+)/.exec(command)?.[1] ?? 0),
    endsAtTerm: null,
  };
}
