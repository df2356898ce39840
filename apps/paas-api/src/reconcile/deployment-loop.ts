/**
 * Drives running deployments: begins a step, sees that it is done, begins the next, ends.
 *
 * A step begins by making what users asked for the target of its apps and by noting the two baselines of promise 4; it is
 * done when the plans of all its apps are. Nothing is remembered elsewhere: after a crash the rows say where it was.
 * One that makes no visible progress for its deadline is stuck, with what it waits for as the reason (decision 17), until it
 * makes some; the clock stands still while it waits for an offer.
 */
import { deploymentStep } from '@ekiden/marathon-api';
import type { AppId, DeploymentId, Instant, Log } from '@ekiden/model';
import { baselineOf, type AppPlan } from '@ekiden/planner';
import type { DesireContext } from '../desired/apply-targets.js';
import { rollbackDeployment } from '../desired/cancel-deployment.js';
import { endDeployment, wirePlan, wireStep } from '../desired/deployment-rows.js';
import type { Draft } from '../ledger/draft.js';
import { addEvent } from '../ledger/record-step.js';
import type { StateReader } from '../ledger/paas-state.js';
import type { DeploymentAction, DeploymentRow } from '../store/paas-store.js';
import { ProgressClock } from './progress-clock.js';
import { readAppView, targetOf, unreadableChange } from './read-snapshot.js';

export type PlanOf = (appId: AppId) => AppPlan | null;

/** What is used when nothing of a step has a spec (a removal). */
const DEFAULT_DEADLINE_MS = 600_000;

export class DeploymentLoop {
  private readonly progress = new ProgressClock();

  constructor(
    private readonly context: DesireContext,
    private readonly log: Log,
  ) {}

  /** Moves it on as far as it goes now. True: apps have a new target and have to be planned before it can go on. */
  advance(draft: Draft, id: DeploymentId, planOf: PlanOf): boolean {
    for (;;) {
      const row = draft.deployment(id);
      if (row === null) {
        this.progress.forget(id);
        return false;
      }
      const unreadable = unreadableChange(draft, row);
      if (unreadable !== null) return this.undo(draft, row, unreadable);
      const step = row.steps[row.currentStep];
      if (step === undefined) {
        endDeployment(draft, row, 'succeeded', null);
        this.log.info('deployment succeeded', { deploymentId: id, steps: row.steps.length });
        continue;
      }
      if (!hasBegun(row, step)) {
        if (this.beginNext(draft, id)) return true;
        continue;
      }
      if (!step.every((action) => isDone(draft, action, planOf))) return this.judge(draft, row, step, planOf);
      this.finish(draft, row, step);
    }
  }

  /** Begins its step if that has not begun. True: apps have a new target. */
  beginNext(draft: Draft, id: DeploymentId): boolean {
    for (;;) {
      const row = draft.deployment(id);
      const step = row?.steps[row.currentStep];
      if (row === null || step === undefined || hasBegun(row, step)) return false;
      if (this.begin(draft, row, step)) return true;
    }
  }

  /** Apps whose step of a running deployment has not begun. */
  awaiting(reader: StateReader): ReadonlySet<AppId> {
    const apps = new Set<AppId>();
    for (const { changes } of reader.deployments()) for (const change of changes) if (change.baseline === null) apps.add(change.appId);
    return apps;
  }

  /** When its deadline runs out, if nothing changes until then. Null: never, for now. */
  deadlineOf(reader: StateReader, row: DeploymentRow): Instant | null {
    const step = row.steps[row.currentStep];
    if (step === undefined || row.stuckSince !== null) return null;
    const at = this.progress.lastProgress(row.id);
    return at === null ? null : at + deadlineMs(reader, step);
  }

  /** How many deployments' progress is remembered. */
  get watched(): number {
    return this.progress.size;
  }

  /** Nothing could be committed for so long: it is held against nobody. */
  stoodStill(ms: number): void {
    this.progress.stoodStill(ms);
  }

  /** It leads to what nobody can read: its apps go back to what they were, as far as that is known. */
  private undo(draft: Draft, row: DeploymentRow, why: string): boolean {
    this.log.error('a deployment cannot be carried on', { deploymentId: row.id, why });
    rollbackDeployment(draft, row, why, this.context);
    return true;
  }

  private begin(draft: Draft, row: DeploymentRow, step: readonly DeploymentAction[]): boolean {
    addEvent(draft, deploymentStep(draft.now, 'deployment_info', wirePlan(row), wireStep(step)));
    const acting = step.filter((action) => action.action !== 'StartApplication');
    // A Start does nothing: it is done as soon as it was announced.
    if (acting.length === 0) {
      this.finish(draft, row, step);
      return false;
    }
    const apps = new Set(acting.map((action) => action.appId));
    for (const change of row.changes) {
      const app = apps.has(change.appId) ? draft.app(change.appId) : null;
      if (app !== null) draft.putApp({ ...app, activeVersion: change.to });
    }
    const changes = row.changes.map((change) =>
      apps.has(change.appId) ? { ...change, baseline: baselineOf(readAppView(draft, change.appId, draft.now, null)) } : change,
    );
    draft.putDeployment({ ...row, changes, progressAt: draft.now });
    this.progress.restart(row.id, draft.now);
    this.log.info('deployment step begins', { deploymentId: row.id, step: row.currentStep + 1, of: row.steps.length, actions: step });
    return true;
  }

  private finish(draft: Draft, row: DeploymentRow, step: readonly DeploymentAction[]): void {
    draft.putDeployment({ ...row, currentStep: row.currentStep + 1, progressAt: draft.now, stuckSince: null, reason: null });
    addEvent(draft, deploymentStep(draft.now, 'deployment_step_success', wirePlan(row), wireStep(step)));
  }

  /** It waits: has it made progress, or is it stuck? True when a roll-back was decided. */
  private judge(draft: Draft, row: DeploymentRow, step: readonly DeploymentAction[], planOf: PlanOf): boolean {
    const left = step.filter(({ appId }) => draft.app(appId) !== null);
    const plans = left.flatMap(({ appId }) => planOf(appId) ?? []);
    if (plans.length < left.length) return false; // Some are not planned yet: fewer that wait are no progress.
    const { at, isProgress } = this.progress.look(row, plans, draft.now);
    if (row.stuckSince !== null) {
      if (isProgress) draft.putDeployment({ ...row, stuckSince: null, reason: null, progressAt: at });
      return false;
    }
    if (draft.now - at < deadlineMs(draft, step)) return false;
    const reason = describeWait(plans);
    this.log.warn('deployment is stuck', { deploymentId: row.id, reason });
    if (row.rollbackOf === null && step.some((action) => targetOf(draft, action.appId)?.spec.rollbackWhenStuck === true)) {
      rollbackDeployment(draft, row, `rolled back by itself: ${reason}`, this.context);
      return true;
    }
    draft.putDeployment({ ...row, stuckSince: draft.now, reason, progressAt: at });
    return false;
  }
}

/** What a deployment waits for, in one text. */
export function describeWait(plans: readonly AppPlan[]): string {
  const texts = plans.flatMap((plan) => plan.waitingFor.map((waiting) => waiting.text));
  return texts.length === 0 ? 'it waits for nothing that is known' : texts.join('; ');
}

const isActing = (action: DeploymentAction): boolean => action.action !== 'StartApplication';

function hasBegun(row: DeploymentRow, step: readonly DeploymentAction[]): boolean {
  const acting = step.filter(isActing);
  return acting.length > 0 && acting.every((action) => row.changes.find((change) => change.appId === action.appId)?.baseline !== null);
}

const isDone = (draft: Draft, action: DeploymentAction, planOf: PlanOf): boolean =>
  !isActing(action) || draft.app(action.appId) === null || planOf(action.appId)?.done === true;

function deadlineMs(reader: StateReader, step: readonly DeploymentAction[]): number {
  const deadlines = step.flatMap((action) => targetOf(reader, action.appId)?.spec.progressDeadlineMs ?? []);
  return deadlines.length === 0 ? DEFAULT_DEADLINE_MS : Math.max(...deadlines);
}
