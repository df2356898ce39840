/** Deployments on the wire: Marathon's list item (10.6), and ours with its history (`/ekiden/v1/deployments`). */
import { isoTime, type Instant } from '@ekiden/model';
import type { PaasView } from '../paas-api.js';
import type { DeploymentRow } from '../store/paas-store.js';
import { renderReadiness } from './render-app.js';
import type { Json } from './stored-definition.js';

export function renderDeployment(view: PaasView, row: DeploymentRow): Json {
  const current = row.steps[row.currentStep] ?? [];
  return {
    id: row.id,
    version: isoTime(row.version),
    affectedApps: row.changes.map((change) => change.appId),
    affectedPods: [],
    steps: row.steps.map((step) => ({ actions: step.map(({ action, appId }) => ({ action, app: appId })) })),
    currentActions: current.map(({ action, appId }) => ({ action, app: appId, readinessCheckResults: renderReadiness(view, appId) })),
    currentStep: Math.min(row.currentStep + 1, row.steps.length),
    totalSteps: row.steps.length,
  };
}

export function renderHistory(view: PaasView, row: DeploymentRow): Json {
  return {
    ...renderDeployment(view, row),
    state: row.state,
    reason: row.reason,
    changes: row.changes.map(({ appId, from, to }) => ({ appId, from: timeOrNull(from), to: timeOrNull(to) })),
    startedAt: isoTime(row.startedAt),
    progressAt: isoTime(row.progressAt),
    stuckSince: timeOrNull(row.stuckSince),
    endedAt: timeOrNull(row.endedAt),
    rollbackOf: row.rollbackOf,
  };
}

const timeOrNull = (at: Instant | null): string | null => (at === null ? null : isoTime(at));
