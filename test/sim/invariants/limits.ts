/** Promise 7: no limit is ever exceeded. Quotas join this list when there are any. */
import { MAX_ACKNOWLEDGEMENTS_PER_CALL } from '@ekiden/mesos';
import type { Invariant } from './invariant.js';
import { isPaasApi } from './sight.js';

export const deploymentsAreBounded: Invariant = {
  id: '7a',
  name: 'running deployments are bounded',
  sentence: 'no commit leaves more deployments running than maxRunningDeployments',
  begin: (sight, report) => ({
    on: {
      committed: ({ by }) => {
        const { maxRunningDeployments } = sight.scene.limits;
        const { size } = sight.committed.running;
        if (size > maxRunningDeployments) report(`${by} left ${size} deployments running, at most ${maxRunningDeployments} may be`);
      },
    },
  }),
};

export const callsAreBounded: Invariant = {
  id: '7b',
  name: 'calls are bounded',
  sentence: 'an ACCEPT launches at most maxLaunchesPerAccept tasks, a batch acknowledges at most 1,000 statuses',
  begin: (sight, report) => ({
    on: {
      'call-sent': ({ by, call }) => {
        if (!isPaasApi(by)) return;
        const { maxLaunchesPerAccept } = sight.scene.limits;
        if (call.type === 'EKIDEN_BATCH_ACKNOWLEDGE' && call.batch_acknowledge.acknowledgements.length > MAX_ACKNOWLEDGEMENTS_PER_CALL)
          report(`${by} acknowledges ${call.batch_acknowledge.acknowledgements.length} statuses in one call, at most ${MAX_ACKNOWLEDGEMENTS_PER_CALL} may be`);
        if (call.type !== 'ACCEPT') return;
        const launches = (call.accept.operations ?? []).flatMap((one) => (one.type === 'LAUNCH' ? (one.launch.task_infos ?? []) : [])).length;
        if (launches > maxLaunchesPerAccept) report(`${by} launches ${launches} tasks with one ACCEPT, at most ${maxLaunchesPerAccept} may be`);
      },
    },
  }),
};

/** Each reload after a lost commit asks once, and so does each new stream; while the store refuses all writes that is every 2 s, else every ten minutes. */
const MAX_QUESTIONS_A_MINUTE = 40;

export const questionsAreFew: Invariant = {
  id: '7c',
  name: 'questions about everything are few',
  sentence: 'a process asks about all of its tasks over one stream at most 40 times a minute',
  begin: (_sight, report) => {
    const asked = new Map<string, number>();
    return {
      on: {
        'call-sent': ({ by, streamId, call }) => {
          if (call.type !== 'RECONCILE' || (call.reconcile.tasks ?? []).length > 0 || !isPaasApi(by)) return;
          const key = `${by} over ${streamId}`;
          asked.set(key, (asked.get(key) ?? 0) + 1);
          if (asked.get(key) === MAX_QUESTIONS_A_MINUTE + 1) report(`${key} has asked about everything ${MAX_QUESTIONS_A_MINUTE + 1} times within a minute`);
        },
      },
      scan: () => asked.clear(),
    };
  },
};
