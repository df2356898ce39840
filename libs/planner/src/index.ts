/** Pure decisions about apps: same view, same plan. */
export { assignPorts, type PortAssignment } from './assign-ports.js';
export { isRunLongEnough, nextBackoff, type BackoffPolicy } from './backoff.js';
export { baselineOf, budgetOf, isCounted, type Budget } from './budget.js';
export { ConstraintSet } from './constraints.js';
export { findCycle, planDeployment, type ChangeKind, type DeploymentInput, type DeploymentSteps, type PlannedAction } from './deployment-steps.js';
export { explainPending, summarizeCounts, summarizeRefusals, type FunnelRow } from './explain.js';
export { healthOf, isExhausted, isReady, isServing, isUsable, provingVersionOf } from './health.js';
export { isImageOpen, scoutsWanted } from './image-scouts.js';
export {
  judgeUnknownTask,
  nextWakeOf,
  stepInstance,
  type InstanceInput,
  type InstanceStep,
  type MachineContext,
  type ObservedStatus,
} from './instance-machine.js';
export { matchOffers, type MatchInput } from './match-offer.js';
export { withPastMoments } from './past-moments.js';
export { planApp } from './plan-app.js';
export * from './view.js';
