import type { CheckResult } from '@ekiden/model';
import { aHealthCheck } from '../../test/agent-bench.js';
import { firstProbeMs, startRetryMs, stepCheck, type ProbeOutcome } from './check-machine.js';

const OK: ProbeOutcome = { kind: 'success' };
const BAD: ProbeOutcome = { kind: 'failure', cause: 'HTTP 503' };

const run = (outcomes: readonly ProbeOutcome[], check = aHealthCheck()): (CheckResult | null)[] => {
  let result: CheckResult | null = null;
  return outcomes.map((outcome, second) => (result = stepCheck(result, outcome, second * 1000, 0, check).result));
};

describe('stepCheck', () => {
  it('is exhausted at the third failure in a row, not one later', () => {
    expect(run([OK, BAD, BAD, BAD]).map((result) => result?.exhausted)).toEqual([false, false, false, true]);
  });

  it('is never exhausted with 0', () => {
    expect(run([BAD, BAD, BAD, BAD], aHealthCheck({ maxConsecutiveFailures: 0 })).at(-1)).toMatchObject({ consecutiveFailures: 4, exhausted: false });
  });

  it('forgets failures before the first success within the grace period, and only those', () => {
    const check = aHealthCheck({ gracePeriodMs: 2500 });
    expect(run([BAD, BAD, BAD, BAD], check).map((result) => result?.consecutiveFailures ?? null)).toEqual([null, null, null, 1]);
    expect(run([OK, BAD], check).at(-1)).toMatchObject({ alive: false, consecutiveFailures: 1 });
  });

  it('says that something changed on the first success, each failure, and the recovery', () => {
    let result: CheckResult | null = null;
    const changed = [OK, OK, BAD, BAD, OK, OK].map((outcome, at) => {
      const step = stepCheck(result, outcome, at, 0, aHealthCheck());
      result = step.result;
      return step.changed;
    });
    expect(changed).toEqual([true, false, true, true, true, false]);
  });
});

describe('the rhythm', () => {
  it('delays only the kinds that Mesos runs', () => {
    expect(firstProbeMs(aHealthCheck({ protocol: 'HTTP', delayMs: 15_000 }), 0)).toBe(0);
    expect(firstProbeMs(aHealthCheck({ protocol: 'MESOS_HTTP', delayMs: 15_000 }), 0)).toBe(15_000);
  });

  it('asks a starting task soon and then slower, never slower than the interval', () => {
    expect([0, 1, 2, 9].map((n) => startRetryMs(n, 5000))).toEqual([250, 500, 1000, 5000]);
  });
});
