/** What the answer of an ACCEPT proves, and which recorded launches are open: whether they happened is not known yet. Pure. */
import type { TaskId } from '@ekiden/model';
import { findInstance } from '../desired/kill-tasks.js';
import type { PaasState, StateReader } from '../ledger/paas-state.js';

/** Its launch is recorded, and whether it happened is not. */
export function isLaunching(state: StateReader, taskId: TaskId): boolean {
  const condition = findInstance(state, taskId)?.condition;
  return condition?.kind === 'provisioned' && condition.task.taskId === taskId;
}

/** Recorded for this stream, and their ACCEPTs have not left: those of `sent` have. */
export function unsentLaunches(state: PaasState, streamId: string | undefined, sent: { has(taskId: TaskId): boolean }): readonly TaskId[] {
  const unsent: TaskId[] = [];
  for (const { condition } of state.allInstances()) {
    if (condition.kind === 'provisioned' && condition.task.streamId === streamId && !sent.has(condition.task.taskId)) unsent.push(condition.task.taskId);
  }
  return unsent;
}

export const isTakenAnswer = (status: number): boolean => status >= 200 && status < 300;

/** The master has judged the call and done nothing. Other failures may come from something in between. */
export const isRefusal = (status: number): boolean => (status >= 400 && status < 500) || status === 501 || status === 503;
