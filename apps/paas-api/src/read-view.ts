/** Committed state as the rim reads it: synchronous, never ahead of the store. */
import { findInstance } from './desired/kill-tasks.js';
import { liveTask, type AppId, type Clock, type Instance } from '@ekiden/model';
import { healthOf, planApp, type AppPlan, type Health } from '@ekiden/planner';
import type { ResizeLoop } from './launch/resize-loop.js';
import type { Wants } from './launch/wants.js';
import type { Ledger } from './ledger/ledger.js';
import { specOf } from './ledger/record-step.js';
import type { AppCounts, PaasView } from './paas-api.js';
import { describeWait } from './reconcile/deployment-loop.js';
import { activeDeployment, readAppView } from './reconcile/read-snapshot.js';
import type { DeploymentRow } from './store/paas-store.js';

export function createView(ledger: Ledger, wants: Wants, resizes: Pick<ResizeLoop, 'list'>, clock: Clock): PaasView {
  const health = (instance: Instance): Health => {
    const spec = specOf(ledger.state, instance);
    return spec === null ? 'unknown' : healthOf({ instance, spec });
  };
  /** The newest plan; what it says of time left is as of now. */
  const planOf = (id: AppId): AppPlan | null => {
    const plan = ledger.plans.get(id) ?? null;
    if (plan === null || !plan.waitingFor.some((waiting) => waiting.kind === 'backoff')) return withDetails(plan, resizes.list(id));
    const { state } = ledger;
    const rules = { launch: wants.rule(), resizeRefusal: null };
    return withDetails(planApp(readAppView(state, id, clock.now(), activeDeployment(state, id), rules)), resizes.list(id));
  };
  const explained = (row: DeploymentRow): DeploymentRow => {
    if (row.reason !== null) return row;
    const plans = (row.steps[row.currentStep] ?? []).flatMap((action): AppPlan[] => {
      const plan = planOf(action.appId);
      return plan === null ? [] : [plan];
    });
    return { ...row, reason: describeWait(plans) };
  };
  return {
    apps: () => [...ledger.state.appIds()].flatMap((id) => ledger.state.app(id) ?? []),
    app: (id) => ledger.state.app(id),
    version: (id, version) => ledger.state.version(id, version),
    versions: (id) => [...ledger.state.versions(id)].sort((a, b) => b.version - a.version),
    instances: (id) => ledger.state.instances(id),
    instanceOfTask: (taskId) => {
      const instance = findInstance(ledger.state, taskId);
      return instance !== null && liveTask(instance)?.taskId === taskId ? instance : null;
    },
    health,
    counts: (id) => countsOf(ledger, id, health),
    deployments: () => ledger.state.deployments().map(explained),
    deploymentsOf: (id) =>
      ledger.state
        .deployments()
        .filter((row) => row.changes.some((change) => change.appId === id))
        .map(explained),
    readiness: (id) =>
      ledger.state.instances(id).flatMap((instance) => {
        const { condition } = instance;
        const name = specOf(ledger.state, instance)?.readinessCheck?.name;
        if (condition.kind !== 'running' || condition.readiness === null || name === undefined) return [];
        return [{ taskId: condition.task.taskId, name, result: condition.readiness }];
      }),
    failure: (id) => ledger.state.failure(id),
    queue: () => wants.queue(ledger.state, clock.now()),
    resizing: (id) => resizes.list(id),
    plan: planOf,
    get frameworkId() {
      return ledger.state.frameworkId;
    },
  };
}

/** What a change of size waits for is known where it is asked for. */
function withDetails(plan: AppPlan | null, resizing: ReturnType<PaasView['resizing']>): AppPlan | null {
  const [first] = resizing;
  if (plan === null || first === undefined) return plan;
  const waitingFor = plan.waitingFor.map((one) => (one.kind === 'resize' ? { ...one, text: `${one.text}: ${first.taskId} ${first.text}` } : one));
  return { ...plan, waitingFor };
}

/** Marathon's four numbers: healthy and unhealthy count only instances whose checks have results. */
function countsOf(ledger: Ledger, id: Parameters<PaasView['counts']>[0], health: (instance: Instance) => Health): AppCounts {
  const counts = { staged: 0, running: 0, healthy: 0, unhealthy: 0 };
  for (const instance of ledger.state.instances(id)) {
    const { condition } = instance;
    if (condition.kind === 'provisioned' || condition.kind === 'staging') counts.staged += 1;
    if (condition.kind !== 'running') continue;
    counts.running += 1;
    if (condition.checks.length === 0) continue;
    const judged = health(instance);
    if (judged === 'healthy') counts.healthy += 1;
    else if (judged === 'unhealthy') counts.unhealthy += 1;
  }
  return counts;
}
