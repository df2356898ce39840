import { describeStop, stopReport } from './stop-report.js';

const EXIT = { code: 0, signal: null, oomKilled: false, lost: null };

it.each([
  [{ at: 1_000, graceMs: 3_000 }, { ...EXIT, killedProcesses: 0 }, 1_240, 'stopped by itself 0.2 s after SIGTERM'],
  [{ at: 1_000, graceMs: 3_000 }, { ...EXIT, killedProcesses: 1 }, 1_240, 'stopped by itself 0.2 s after SIGTERM; 1 process that it left was killed'],
  [{ at: 1_000, graceMs: 3_000, killedAt: 4_000 }, { ...EXIT, killedProcesses: 3 }, 4_100, 'did not stop within 3.0 s of SIGTERM: SIGKILL to 3 processes'],
  [{ at: 1_000, graceMs: 3_000, killedAt: 4_000 }, EXIT, 4_100, 'did not stop within 3.0 s of SIGTERM: SIGKILL to it'],
  [{ at: 5_000, graceMs: 3_000 }, EXIT, 1_000, 'stopped by itself 0.0 s after SIGTERM'],
])('a stop is told: %j %j at %d', (kill, exit, now, text) => expect(describeStop(stopReport(kill, exit, now))).toBe(text));
