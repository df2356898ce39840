/** An agent that is started again with the other runtime: what runs goes on, and its end leaves nothing behind. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RealTasks, realTasks, until } from '../test/real-tasks.js';
import { probeRuntimes } from './probe-runtimes.js';
import { isAlive, readStat, type ProcessRef } from './proc.js';

/** A child that leaves its session, as daemons do, and tells its pid. */
const FAMILY = "setsid sh -c 'echo $$ > daemon; exec sleep 1000' & sleep 1000";

describe.each([
  ['process', 'cgroup'],
  ['cgroup', 'process'],
] as const)('from %s to %s', (before, after) => {
  let world: RealTasks | null = null;

  afterEach(async () => {
    // With groups, where there were any: the sweep of the runtime that knows them takes what the other had to leave.
    world?.restart('cgroup');
    expect(await world?.clear()).toEqual([]);
  });

  it('a task is found again, and ended with all its children', async () => {
    const { cgroup, reasons } = await probeRuntimes();
    if (cgroup === null) throw new Error(`this test needs control groups: ${reasons.join('; ')}`);
    world = realTasks('cgroup', cgroup);
    const runtime = world.restart(before);
    const spec = world.spec(FAMILY);
    const pid = await world.start(spec);
    let daemon: ProcessRef | null = null;
    await until('the daemon to be there', () => {
      daemon = daemonOf(spec.sandbox);
      return daemon !== null;
    });
    expect(runtime.name).toBe(before);

    const next = world.restart(after);
    expect(next.name).toBe(after);
    expect(await next.recover(spec.taskId, spec.runDir)).toEqual({ kind: 'running', pid });
    const ended = world.ended(spec.taskId);
    next.kill(spec.taskId);
    expect(await ended).toMatchObject({ signal: 'SIGKILL' });
    if (daemon === null) throw new Error('there was a daemon');
    expect(isAlive(daemon)).toBe(false);
  });
});

function daemonOf(sandbox: string): ProcessRef | null {
  try {
    return readStat(Number(readFileSync(join(sandbox, 'daemon'), 'utf8')));
  } catch {
    return null; // not yet
  }
}
