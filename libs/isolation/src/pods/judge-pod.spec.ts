/** When a pod lives, has to stop, and is over. */
import type { TaskExit } from '../runtime.js';
import { judgePod, type MemberState } from './judge-pod.js';

const exit = (change: Partial<TaskExit>): MemberState => ({ kind: 'ended', exit: { code: null, signal: null, oomKilled: false, lost: null, ...change } });
const RUNS: MemberState = { kind: 'running' };
const WAITS: MemberState = { kind: 'waiting' };
const WELL = exit({ code: 0 });
const judge = (states: readonly MemberState[], stopping: string | null = null) =>
  judgePod(
    states.map((state, index) => ({ name: `m${index}`, state })),
    stopping,
  );

it('lives while one runs or waits, also when another has ended well', () => {
  expect(judge([WAITS, WAITS])).toEqual({ kind: 'lives' });
  expect(judge([RUNS, WELL])).toEqual({ kind: 'lives' });
  expect(judge([WELL, WAITS])).toEqual({ kind: 'lives' });
  expect(judge([WELL, WELL])).toEqual({ kind: 'over', why: '' });
});

it.each<[string, MemberState, string]>([
  ['fails', exit({ code: 3 }), 'exited with status 3'],
  ['is killed', exit({ signal: 'SIGKILL' }), 'was ended by SIGKILL'],
  ['runs out of memory', exit({ signal: 'SIGKILL', oomKilled: true }), 'ran out of memory'],
  ['is lost', exit({ lost: 'the host restarted' }), 'was lost: the host restarted'],
  ['cannot be started', { kind: 'not-started', why: 'no such user' }, 'was not started: no such user'],
])('ends when one %s, whatever waits is not started', (_, state, why) => {
  expect(judge([RUNS, state])).toEqual({ kind: 'stop', why: `member "m1" ${why}` });
  expect(judge([WELL, state, WAITS])).toEqual({ kind: 'over', why: `member "m1" ${why}` });
});

it('ends for the reason that came first', () => {
  expect(judge([exit({ signal: 'SIGTERM' }), RUNS], 'because')).toEqual({ kind: 'stop', why: 'because' });
});

it('is over once nobody runs when it was asked to stop', () => {
  expect(judge([RUNS, WAITS], '')).toEqual({ kind: 'stop', why: '' });
  expect(judge([WELL, WAITS], '')).toEqual({ kind: 'over', why: '' });
});
