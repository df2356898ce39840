/** One task in the memory of a supervised runtime, from its launch or recovery until it is forgotten. */
import type { FSWatcher } from 'node:fs';
import type { TaskId } from '@ekiden/model';
import type { ProcessRef } from './proc.js';
import type { LaunchResult, TaskExit } from './runtime.js';

export type TrackedState =
  | { readonly kind: 'launching'; readonly since: number; readonly settle: (result: LaunchResult) => void }
  /** Being judged by `recover`, which alone may change it. */
  | { readonly kind: 'recovering' }
  | { readonly kind: 'running' }
  | { readonly kind: 'ending'; readonly status: number | null; readonly lost: string }
  | { readonly kind: 'ended'; readonly exit: TaskExit };

export interface Tracked {
  readonly taskId: TaskId;
  readonly runDir: string;
  readonly launchedHere: boolean;
  state: TrackedState;
  supervisor: ProcessRef | null;
  main: ProcessRef | null;
  /** Asked before there was a pid. */
  wanted: 'nothing' | 'terminate' | 'kill';
  /** How many of its processes a kill has found alive. */
  killed: number;
  /** The supervisor was seen dead by an earlier poll. */
  orphaned: boolean;
  watcher: FSWatcher | null;
}

/** It, when it runs. */
export const running = (task: Tracked | undefined): readonly Tracked[] => (task?.state.kind === 'running' ? [task] : []);

export function newTracked(taskId: TaskId, runDir: string, state: TrackedState): Tracked {
  const launchedHere = state.kind === 'launching';
  return { taskId, runDir, launchedHere, state, supervisor: null, main: null, wanted: 'nothing', killed: 0, orphaned: false, watcher: null };
}
