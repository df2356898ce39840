/** Promise 8: every refusal explains itself, and so does whatever waits. */
import { EkidenError, type DeploymentId } from '@ekiden/model';
import { ERROR_TABLE } from '@ekiden/marathon-api';
import type { Invariant } from './invariant.js';

const NEEDS_PATHS: ReadonlySet<string> = new Set(['invalid-json', 'invalid-object', 'not-supported']);

export const refusalsExplain: Invariant = {
  id: '8a',
  name: 'a refusal has a code and a reason',
  sentence: 'a request is refused with an error of the table and a message; bad input with the path of the field',
  begin: (_sight, report) => ({
    on: {
      answered: ({ request, outcome }) => {
        if (outcome.kind === 'done') return;
        const { error } = outcome;
        const what = `${request.method} ${request.apps.join(' ')}`;
        if (!(error instanceof EkidenError)) return report(`${what} failed with ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
        const { code, message, violations } = error;
        if (!(code in ERROR_TABLE)) report(`${what} was refused with ${code}, which the table does not have`);
        if (message === '') report(`${what} was refused with ${code} and no word of why`);
        if (NEEDS_PATHS.has(code) && !violations.every(({ path, errors }) => path.startsWith('/') && errors.length > 0))
          report(`${what} was refused with ${code}, not all of ${JSON.stringify(violations)} name a field and its error`);
        if (NEEDS_PATHS.has(code) && violations.length === 0) report(`${what} was refused with ${code} "${message}", and names no field`);
      },
    },
  }),
};

/** Offers are asked for again after 15 s; an agent's filter ends after 120 s at the latest. */
const UNEXPLAINED_LIMIT_MS = 180_000;

export const waitingIsExplained: Invariant = {
  id: '8b',
  name: 'whoever waits says for what',
  sentence:
    'each minute: a deployment that runs names what it waits for, an app with waiting instances too, and after 3 min in which nothing stands in the way which offers were refused',
  begin: (sight, report) => {
    let goodSince: number | null = null;
    return {
      scan: () => {
        const api = sight.api();
        const isGood = api !== null && api.isLeading && api.isConnected && !sight.scene.isStoreAway && sight.scene.hosts.some((host) => sight.isGood(host));
        if (!isGood) return void (goodSince = null);
        goodSince ??= sight.now();
        for (const row of api.view.deployments()) {
          const hasPlans = row.steps[row.currentStep]?.every(({ appId }) => api.view.app(appId) === null || api.view.plan(appId) !== null) === true;
          if (hasPlans && (row.reason === null || row.reason === '' || row.reason.includes('waits for nothing')))
            report(`deployment ${row.id}, at step ${row.currentStep} of ${JSON.stringify(row.steps)}, says "${row.reason ?? ''}": expected what it waits for`);
        }
        for (const item of api.view.queue()) {
          const plan = api.view.plan(item.appId);
          if (plan !== null && !plan.done && plan.waitingFor.length === 0 && plan.steps.length === 0)
            report(`${item.appId}: ${item.count} wait, its plan says not for what`);
          const waitedMs = sight.now() - Math.max(goodSince, item.since);
          const isExplained = item.refusals.length > 0 || item.heldBecause !== null || item.delayMs > 0 || item.lastUsedOfferAt !== null;
          if (waitedMs >= UNEXPLAINED_LIMIT_MS && !isExplained)
            report(`${item.appId}: ${item.count} have waited ${waitedMs} ms for an offer, of ${item.processedOffers} offers none is said to be refused`);
        }
      },
    };
  },
};

/** On top of its own deadline: time is seen once a minute. */
const STUCK_SLACK_MS = 150_000;
const DEFAULT_DEADLINE_MS = 600_000;

export const stuckIsSaid: Invariant = {
  id: '8c',
  name: 'a deployment that stands still is stuck',
  sentence: 'a deployment whose plan has not changed for its deadline and 150 s, under one leader and without waiting for offers, says that it is stuck',
  begin: (sight, report) => {
    const still = new Map<DeploymentId, { readonly sign: string; readonly since: number }>();
    return {
      scan: () => {
        const api = sight.api();
        if (api === null || !api.isLeading || sight.scene.isStoreAway) return still.clear();
        const rows = api.view.deployments();
        for (const id of still.keys()) if (!rows.some((row) => row.id === id)) still.delete(id);
        for (const row of rows) {
          const plans = (row.steps[row.currentStep] ?? []).map(({ appId }) => api.view.plan(appId));
          const sign = JSON.stringify([sight.scene.apiName, row.currentStep, plans.map((plan) => [plan?.counts, plan?.waitingFor])]);
          const isPaused = plans.some((plan) => plan === null || plan.waitingFor.some(({ kind }) => kind === 'offer' || kind === 'master'));
          const before = still.get(row.id);
          if (isPaused || before?.sign !== sign) still.set(row.id, { sign, since: sight.now() });
          else if (row.stuckSince === null && sight.now() - before.since > deadlineOf(row.steps[row.currentStep] ?? []) + STUCK_SLACK_MS)
            report(`deployment ${row.id} stands still for ${sight.now() - before.since} ms with "${row.reason ?? ''}", and is not said to be stuck`);
        }
      },
    };

    function deadlineOf(step: readonly { readonly appId: Parameters<typeof sight.targetOf>[0] }[]): number {
      const deadlines = step.flatMap(({ appId }) => sight.targetOf(appId)?.spec.progressDeadlineMs ?? []);
      return deadlines.length === 0 ? DEFAULT_DEADLINE_MS : Math.max(...deadlines);
    }
  },
};
