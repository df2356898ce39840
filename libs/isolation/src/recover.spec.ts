/** What is found again after an agent was killed, on real processes: the rows of the table in the isolation reference, 3.2. */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RealTasks, realTasks, until } from '../test/real-tasks.js';
import type { LaunchSpec } from './index.js';
import { probeRuntimes } from './probe-runtimes.js';
import { isAlive, readStat } from './proc.js';
import { claimJournal, readJournal } from './run-journal.js';

/** For a file `go` in the sandbox, but not for ever: a test that is interrupted leaves its tasks running. */
const WAIT = 'i=0; while [ ! -e go ] && [ $((i+=1)) -lt 3000 ]; do sleep 0.01; done';
const AGENT = join(__dirname, '../test/agent-process.ts');

describe.each(['process', 'cgroup'] as const)('recovery by the %s runtime', (wanted) => {
  let world: RealTasks;
  let kind: 'process' | 'cgroup';

  beforeEach(async () => {
    const { chosen, cgroup } = await probeRuntimes();
    kind = wanted === 'cgroup' ? chosen : 'process';
    world = realTasks(kind, kind === 'cgroup' ? cgroup : null);
  });

  afterEach(async () => {
    expect(await world.clear()).toEqual([]);
  });

  /** Launches by an agent of its own process, which is then killed as hard as can be. */
  async function launchedByAKilledAgent(specs: readonly LaunchSpec[]): Promise<void> {
    const orders = JSON.stringify({ kind, instance: world.instance, specs });
    const agent = spawn(process.execPath, ['--import', 'tsx', AGENT, orders], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    agent.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until('the agent to have launched', () => said.includes('\n'));
    expect(said).toBe('launched\n');
    const gone = new Promise((resolve) => agent.once('exit', resolve));
    agent.kill('SIGKILL');
    await gone;
  }

  it('finds running tasks, and the status of those that ended while no agent was there', async () => {
    const running = world.spec('sleep 100');
    const endsLater = world.spec(`${WAIT}; exit 43`);
    const ends = world.spec(`${WAIT}; echo last words; exit 42`);
    await launchedByAKilledAgent([running, endsLater, ends]);
    writeFileSync(join(ends.sandbox, 'go'), '');
    await until('the status to be on disk', () => readJournal(ends.runDir).status !== null);

    expect(await world.runtime.recover(ends.taskId, ends.runDir)).toMatchObject({
      kind: 'exited',
      exit: { code: 42, signal: null, oomKilled: false, lost: null },
    });
    expect(world.output(ends)).toBe('last words\n');
    const pid = readJournal(running.runDir).main?.pid;
    expect(await world.runtime.recover(running.taskId, running.runDir)).toEqual({ kind: 'running', pid });
    expect(await world.runtime.recover(endsLater.taskId, endsLater.runDir)).toMatchObject({ kind: 'running' });
    writeFileSync(join(endsLater.sandbox, 'go'), '');
    expect(await world.ended(endsLater.taskId)).toMatchObject({ code: 43 });
    const killed = world.ended(running.taskId);
    world.runtime.kill(running.taskId);
    expect(await killed).toMatchObject({ signal: 'SIGKILL' });
  }, 30_000);

  it('says that nothing ran, and lets no late supervisor start', async () => {
    const spec = world.spec('touch ran');
    expect(await world.runtime.recover(spec.taskId, spec.runDir)).toEqual({ kind: 'never-started' });
    // The request of the former agent arrives only now.
    expect(await world.runtime.launch(spec)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('given up') });
    expect(existsSync(join(spec.sandbox, 'ran'))).toBe(false);
  });

  it('adopts a task whose supervisor was killed, and says at its end that the status is lost', async () => {
    const spec = world.spec(WAIT);
    await world.start(spec);
    killSupervisor(spec);
    world.restart();
    expect(await world.runtime.recover(spec.taskId, spec.runDir)).toMatchObject({ kind: 'running' });
    writeFileSync(join(spec.sandbox, 'go'), '');
    const end = await world.ended(spec.taskId);
    expect(end).toMatchObject({ code: null, signal: null });
    expect(end.lost).toContain('supervisor was killed');
  });

  it('notices a killed supervisor while it runs, too', async () => {
    const spec = world.spec('sleep 100');
    const pid = await world.start(spec);
    killSupervisor(spec);
    process.kill(pid, 'SIGKILL');
    expect((await world.ended(spec.taskId)).lost).toContain('supervisor was killed');
  });

  it('finds a task that no file names', async () => {
    const spec = world.spec('sleep 100 & wait');
    const pid = await world.start(spec);
    killSupervisor(spec);
    const [first] = readFileSync(join(spec.runDir, 'run'), 'utf8').split('\n');
    writeFileSync(join(spec.runDir, 'run'), `${first}\n`);
    await until('the environment to be its own', () => readFileSync(`/proc/${pid}/environ`, 'utf8').includes(spec.taskId));
    world.restart();
    expect(await world.runtime.recover(spec.taskId, spec.runDir)).toEqual({ kind: 'running', pid });
  });

  it('reports a status as lost when both are dead', async () => {
    const spec = world.spec('sleep 100');
    const pid = await world.start(spec);
    const main = readStat(pid);
    killSupervisor(spec);
    process.kill(pid, 'SIGKILL');
    await until('the task to be dead', () => main === null || !isAlive(main));
    world.restart();
    const found = await world.runtime.recover(spec.taskId, spec.runDir);
    expect(found).toMatchObject({ kind: 'exited', exit: { code: null, lost: expect.stringContaining('supervisor was killed') } });
  });

  it('believes no pid after the host was restarted, but does believe a status', async () => {
    const [running, ended] = [world.spec('sleep 100'), world.spec('exit 5')];
    const pid = await world.start(running);
    await world.start(ended);
    await world.ended(ended.taskId);
    world.runtime.kill(running.taskId);
    await world.ended(running.taskId);
    for (const { runDir } of [running, ended]) {
      const file = join(runDir, 'launch');
      writeFileSync(file, readFileSync(file, 'utf8').replace(/^# ekiden-run 1 .*/, '# ekiden-run 1 00000000-another-boot'));
    }
    const journal = join(running.runDir, 'run');
    writeFileSync(journal, readFileSync(journal, 'utf8').replace(/exit .*\n/, ''));
    expect(pid).toBeGreaterThan(1);
    world.restart();
    expect(await world.runtime.recover(running.taskId, running.runDir)).toMatchObject({ kind: 'exited', exit: { lost: 'the host was restarted' } });
    expect(await world.runtime.recover(ended.taskId, ended.runDir)).toMatchObject({ kind: 'exited', exit: { code: 5, lost: null } });
  });

  it('counts a torn line for nothing', async () => {
    const spec = world.spec('true');
    appendFileSync(join(spec.runDir, 'run'), 'sup 12 (sh) S 1');
    expect(claimJournal(spec.runDir).claim).toBe('unreadable');
    expect(await world.runtime.recover(spec.taskId, spec.runDir)).toEqual({ kind: 'never-started' });
  });
});

function killSupervisor(spec: LaunchSpec): void {
  const { supervisor } = readJournal(spec.runDir);
  if (supervisor === null || !isAlive(supervisor)) throw new Error('the supervisor should be alive');
  process.kill(supervisor.pid, 'SIGKILL');
}
