/** What each input does to an instance. */
import { instanceId, taskId, type Instance } from '@ekiden/model';
import { aResult, aRunning, aScheduled, aSpec, aStatus, aTask, HTTP_CHECK, NEW, T0 } from '../test/an-app.js';
import { judgeUnknownTask, nextWakeOf, stepInstance, type InstanceInput, type InstanceStep } from './instance-machine.js';

const ID = 'shop_web.instance-1';
const TASK = `${ID}._app.1`;
const spec = aSpec({ healthChecks: [HTTP_CHECK] });
const REPLACE_LATER = aSpec({ unreachable: { kind: 'replace', inactiveAfterMs: 10_000, expungeAfterMs: 60_000 } });

const step = (instance: Instance, input: InstanceInput, now = T0, of = spec): InstanceStep => stepInstance(instance, input, { now, spec: of });
const status = (state: Parameters<typeof aStatus>[1], changes: Parameters<typeof aStatus>[2] = {}, task = TASK): InstanceInput => ({
  kind: 'status',
  status: aStatus(task, state, changes),
});
const provisioned = aScheduled(ID, { incarnation: 1, condition: { kind: 'provisioned', since: T0, task: aTask(ID) } });
const running = aRunning(ID, [null]);
const stop = (reason: 'upgrading' | 'user-request' | 'health-check', changes: { drainMs?: number; decommission?: boolean } = {}): InstanceInput => ({
  kind: 'stop',
  reason,
  drainMs: 0,
  decommission: reason === 'upgrading',
  ...changes,
});
const must = ({ instance }: InstanceStep): Instance => {
  if (instance === null) throw new Error('forgotten');
  return instance;
};

describe('a launch', () => {
  it('raises the incarnation and remembers where', () => {
    const { instance } = step(aScheduled(ID), { kind: 'launch', task: aTask(ID) });
    expect(instance).toMatchObject({ incarnation: 1, condition: { kind: 'provisioned', task: { taskId: TASK } } });
  });

  it('of what runs already changes nothing', () => {
    expect(step(running, { kind: 'launch', task: aTask(ID, 2) })).toMatchObject({ changed: false, stale: true });
  });

  it('takes over the version that the task will run', () => {
    expect(must(step(aScheduled(ID), { kind: 'launch', task: aTask(ID), version: NEW + 5 })).version).toBe(NEW + 5);
  });

  it('that is proven not to have happened is scheduled anew, without a delay', () => {
    const answer = step(provisioned, { kind: 'never-launched', taskId: taskId(TASK), why: 'newer stream' }, T0 + 5);
    expect(answer.instance).toMatchObject({ incarnation: 1, backoffMs: 0, condition: { kind: 'scheduled', notBefore: T0 + 5 } });
    expect(answer.failure).toBe(false);
  });

  it('is not taken back by a master that does not know the task yet', () => {
    for (const [state, reason] of [
      ['TASK_UNKNOWN', null],
      ['TASK_GONE', 'REASON_RECONCILIATION'],
      ['TASK_LOST', 'REASON_RECONCILIATION'],
    ] as const)
      expect(step(provisioned, status(state, { reason }))).toMatchObject({ changed: false, stale: false });
  });

  it('whose offer was gone is no failure of the app, and is scheduled anew without a delay', () => {
    for (const state of ['TASK_DROPPED', 'TASK_LOST'] as const)
      expect(step(provisioned, status(state, { reason: 'REASON_INVALID_OFFERS' }))).toMatchObject({
        failure: false,
        instance: { backoffMs: 0, condition: { kind: 'scheduled', notBefore: T0 } },
      });
    expect(step(provisioned, status('TASK_DROPPED', { reason: 'REASON_AGENT_RESTARTED' }))).toMatchObject({ failure: true });
  });

  it('cannot be unproven once a status has come', () => {
    expect(step(running, { kind: 'never-launched', taskId: taskId(TASK), why: '' })).toMatchObject({ changed: false, stale: true });
  });
});

describe('a status of the current task', () => {
  it('goes through staging to running', () => {
    const staging = must(step(provisioned, status('TASK_STARTING')));
    expect(staging.condition.kind).toBe('staging');
    expect(must(step(staging, status('TASK_RUNNING'), T0 + 9)).condition).toMatchObject({ kind: 'running', since: T0 + 9, checks: [null] });
  });

  it('keeps how far the preparation is, from one note to the next, and no longer', () => {
    const first = must(step(provisioned, status('TASK_STARTING', { message: 'fetching: 1 of 2 MiB' })));
    expect(first.condition).toMatchObject({ kind: 'staging', note: 'fetching: 1 of 2 MiB' });
    expect(step(first, status('TASK_STARTING', { message: 'fetching: 1 of 2 MiB' })).changed).toBe(false);
    expect(step(first, status('TASK_STAGING', { message: 'Reconciliation: Latest task state' })).changed).toBe(false);
    const second = must(step(first, status('TASK_STARTING', { message: 'unpacking' }), T0 + 5));
    expect(second.condition).toMatchObject({ kind: 'staging', since: T0, note: 'unpacking' });
    expect(must(step(second, status('TASK_RUNNING'))).condition).not.toHaveProperty('note');
  });

  it('changes nothing when it says nothing new, or something older', () => {
    expect(step(running, status('TASK_RUNNING')).changed).toBe(false);
    expect(step(running, status('TASK_STAGING')).changed).toBe(false);
  });

  it('takes over the results of the checks and keeps the start of the run', () => {
    const answer = step(running, status('TASK_RUNNING', { checks: [aResult(true)] }), T0 + 100);
    expect(answer.instance?.condition).toMatchObject({ since: T0, checks: [{ alive: true }] });
  });

  it('of a plain Mesos stands for each check', () => {
    expect(step(running, status('TASK_RUNNING', { healthy: true })).instance?.condition).toMatchObject({ checks: [{ alive: true }] });
    expect(step(running, status('TASK_RUNNING', { healthy: false })).instance?.condition).toMatchObject({ checks: [{ alive: false, exhausted: false }] });
  });
});

describe('an end', () => {
  it('by itself earns a delay that grows, and is a failure', () => {
    const first = step(running, status('TASK_FAILED', { exitCode: 3 }), T0 + 1000);
    expect(first).toMatchObject({ failure: true, ended: { state: 'TASK_FAILED', exitCode: 3 } });
    expect(first.instance).toMatchObject({ backoffMs: 1000, condition: { kind: 'scheduled', notBefore: T0 + 2000 } });
    const again = aRunning(ID, [], { backoffMs: 1000 });
    expect(step(again, status('TASK_FAILED'), T0 + 1000).instance).toMatchObject({ backoffMs: 1150 });
  });

  it('with exit code 0 earns a delay and is no failure', () => {
    expect(step(running, status('TASK_FINISHED'))).toMatchObject({ failure: false, instance: { backoffMs: 1000 } });
  });

  it('after a run longer than the longest delay starts from the first delay', () => {
    const again = aRunning(ID, [], { backoffMs: 60_000 });
    expect(step(again, status('TASK_FAILED'), T0 + 300_001).instance).toMatchObject({ backoffMs: 1000 });
  });

  it('that a user asked for earns nothing, however the process took it', () => {
    const stopping = must(step(running, stop('user-request')));
    for (const state of ['TASK_KILLED', 'TASK_FAILED'] as const)
      expect(step(stopping, status(state))).toMatchObject({ failure: false, instance: { goal: 'running', stop: null, backoffMs: 0 } });
  });

  it('after a kill for health is a failure with a delay', () => {
    const stopping = must(step(running, stop('health-check')));
    expect(step(stopping, status('TASK_KILLED'))).toMatchObject({ failure: true, instance: { backoffMs: 1000, stop: null } });
    expect(step(running, status('TASK_KILLED', { healthy: false }))).toMatchObject({ failure: true });
  });

  it('of a decommissioned instance forgets it', () => {
    const stopping = must(step(running, stop('upgrading')));
    expect(step(stopping, status('TASK_KILLED'))).toMatchObject({ instance: null, changed: true, failure: false, ended: { state: 'TASK_KILLED' } });
  });

  it('does not go back: a late RUNNING of the ended task is stale and asks for a kill', () => {
    const ended = must(step(running, status('TASK_FAILED')));
    expect(step(ended, status('TASK_RUNNING'))).toMatchObject({ stale: true, changed: false, ask: 'kill' });
    expect(step(ended, status('TASK_FAILED'))).toMatchObject({ stale: true, changed: false, ask: null });
  });
});

describe('an agent out of reach', () => {
  it('lets its instance be forgotten at once where the policy is 0/0', () => {
    expect(step(running, status('TASK_UNREACHABLE'))).toMatchObject({ instance: null, ended: null });
  });

  it('never does where the policy is disabled', () => {
    const answer = step(running, status('TASK_UNREACHABLE'), T0, aSpec({ unreachable: { kind: 'disabled' } }));
    expect(answer.instance?.condition).toMatchObject({ kind: 'unreachable', inactiveAt: null, expungeAt: null, inactive: false });
  });

  it('makes it inactive and expunged at the moments that are due', () => {
    const away = must(step(running, status('TASK_UNREACHABLE', { at: T0 - 1000 }), T0, REPLACE_LATER));
    expect(nextWakeOf(away)).toBe(T0 + 9000);
    expect(step(away, { kind: 'tick' }, T0 + 8999, REPLACE_LATER).changed).toBe(false);
    const inactive = must(step(away, { kind: 'tick' }, T0 + 9000, REPLACE_LATER));
    expect(inactive.condition).toMatchObject({ inactive: true });
    expect(nextWakeOf(inactive)).toBe(T0 + 59_000);
    expect(step(inactive, { kind: 'tick' }, T0 + 59_000, REPLACE_LATER).instance).toBeNull();
  });

  it('that returns brings the task back to running', () => {
    const away = must(step(running, status('TASK_UNREACHABLE'), T0, REPLACE_LATER));
    expect(must(step(away, status('TASK_RUNNING'), T0 + 1, REPLACE_LATER)).condition.kind).toBe('running');
  });

  it('is what TASK_LOST and TASK_UNKNOWN may mean', () => {
    for (const [state, reason] of [
      ['TASK_LOST', 'REASON_SLAVE_DISCONNECTED'],
      ['TASK_UNKNOWN', 'REASON_RECONCILIATION'],
    ] as const)
      expect(step(running, status(state, { reason }), T0, REPLACE_LATER).instance?.condition.kind).toBe('unreachable');
    expect(step(running, status('TASK_LOST', { reason: 'REASON_EXECUTOR_TERMINATED' }), T0, REPLACE_LATER)).toMatchObject({ failure: true });
  });
});

describe('a stop', () => {
  it('waits for the drain of a running task, then asks for the kill', () => {
    const draining = step(running, stop('upgrading', { drainMs: 5000 }));
    expect(draining).toMatchObject({ ask: null, instance: { goal: 'decommissioned', stop: { since: T0, killAt: T0 + 5000 } } });
    expect(nextWakeOf(must(draining))).toBe(T0 + 5000);
    expect(step(must(draining), { kind: 'tick' }, T0 + 5000)).toMatchObject({ changed: false, ask: 'kill' });
    expect(step(provisioned, stop('upgrading', { drainMs: 5000 }))).toMatchObject({ ask: 'kill', instance: { stop: { killAt: T0 } } });
  });

  it('of what was never launched, or is out of reach, forgets it when it is decommissioned', () => {
    expect(step(aScheduled(ID), stop('upgrading')).instance).toBeNull();
    const away = must(step(running, status('TASK_UNREACHABLE'), T0, REPLACE_LATER));
    expect(step(away, stop('upgrading')).instance).toBeNull();
  });

  it('that is repeated keeps its first reason, and may only hasten', () => {
    const draining = must(step(running, stop('health-check', { drainMs: 5000 })));
    expect(step(draining, stop('upgrading', { drainMs: 9000 }), T0 + 1).instance).toMatchObject({
      goal: 'decommissioned',
      stop: { since: T0, killAt: T0 + 5000, reason: 'health-check' },
    });
    expect(step(draining, stop('user-request'), T0 + 1).instance).toMatchObject({ goal: 'running', stop: { killAt: T0 + 1 } });
  });

  it('is carried out when a stopped task returns from an agent that was away', () => {
    const stopped = must(step(running, stop('user-request')));
    const away = must(step(stopped, status('TASK_UNREACHABLE'), T0, REPLACE_LATER));
    expect(step(away, status('TASK_RUNNING'), T0 + 1, REPLACE_LATER)).toMatchObject({ ask: 'kill', changed: true });
  });
});

describe('the rest', () => {
  it('a reset of the back-off lets the instance launch now', () => {
    const waiting = aScheduled(ID, { backoffMs: 5000, condition: { kind: 'scheduled', since: T0, notBefore: T0 + 5000 } });
    expect(step(waiting, { kind: 'reset-backoff' }).instance).toMatchObject({ backoffMs: 0, condition: { notBefore: T0 } });
    expect(nextWakeOf(waiting)).toBe(T0 + 5000);
    expect(nextWakeOf(waiting, T0 + 5000)).toBeNull();
  });

  it('a status of another instance is stale', () => {
    expect(step({ ...running, id: instanceId('other') }, status('TASK_RUNNING', {}, 'other._app.9'))).toMatchObject({ stale: true, ask: 'kill' });
  });

  it('an unknown task is killed when it may be alive', () => {
    expect(judgeUnknownTask('TASK_RUNNING')).toBe('kill');
    for (const state of ['TASK_FAILED', 'TASK_UNREACHABLE', 'TASK_UNKNOWN'] as const) expect(judgeUnknownTask(state)).toBe('acknowledge');
  });
});
