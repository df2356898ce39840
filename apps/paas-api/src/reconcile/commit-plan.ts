/**
 * From a plan to rows: what the planner decided becomes instances, stops and events of the same batch.
 *
 * A plan is made and recorded against the same draft, so nobody can have been faster in between.
 */
import { assertNever, newInstanceId, type AppId, type Ids, type Instance } from '@ekiden/model';
import type { AppPlan, Step } from '@ekiden/planner';
import type { Draft } from '../ledger/draft.js';
import { recordNewInstance, policyOf, stepAndRecord } from '../ledger/record-step.js';
import { targetOf } from './read-snapshot.js';

export function commitPlan(draft: Draft, appId: AppId, plan: AppPlan, ids: Ids): void {
  for (const step of plan.steps) commitStep(draft, appId, step, ids);
}

function commitStep(draft: Draft, appId: AppId, step: Step, ids: Ids): void {
  switch (step.kind) {
    case 'schedule':
      return schedule(draft, appId, step.count, ids);
    case 'decommission':
      return stop(draft, step, true);
    case 'restart-task':
      return stop(draft, step, false);
    case 'resize':
      return resize(draft, step);
  }
  return assertNever(step);
}

function schedule(draft: Draft, appId: AppId, count: number, ids: Ids): void {
  const target = targetOf(draft, appId);
  if (target === null) return;
  for (let index = 0; index < count; index += 1) {
    const instance: Instance = {
      id: newInstanceId(appId, ids.uuid()),
      appId,
      version: target.version,
      goal: 'running',
      incarnation: 0,
      createdAt: draft.now,
      condition: { kind: 'scheduled', since: draft.now, notBefore: draft.now },
      stop: null,
      backoffMs: 0,
    };
    recordNewInstance(draft, instance);
  }
}

function stop(draft: Draft, step: Extract<Step, { kind: 'decommission' | 'restart-task' }>, decommission: boolean): void {
  const instance = draft.instance(step.instanceId);
  if (instance === null) return;
  const drainMs = policyOf(draft, instance)?.drainMs ?? 0;
  stepAndRecord(draft, instance, { kind: 'stop', reason: step.reason, drainMs, decommission });
}

function resize(draft: Draft, { instanceId, resize: wanted }: Extract<Step, { kind: 'resize' }>): void {
  const instance = draft.instance(instanceId);
  if (instance !== null) stepAndRecord(draft, instance, { kind: 'resize', resize: wanted });
}
