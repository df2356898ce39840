/**
 * A full disk under an agent's checkpoints: launches there fail with the reason, what runs there runs on, other agents do not
 * notice, and all is well again once there is room. The disk is a small tmpfs of the test's own, which only root can mount.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Bystander } from './bystander.js';
import { Ekiden, eventually, killIfAlive } from './ekiden.js';
import { joinAgent, LonePart, onAgent } from './lone-part.js';

jest.setTimeout(180_000);

const isRoot = process.getuid?.() === 0;

describe('a full disk', () => {
  let ekiden: Ekiden;
  let bystander: Bystander;
  let disk: string;
  let isMounted = false;
  let agent: LonePart;

  beforeAll(async () => {
    if (!isRoot) return;
    ekiden = await Ekiden.start();
    bystander = await Bystander.deploy(ekiden);
    disk = join(ekiden.dataDir, 'small-disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'ekiden-e2e', disk]);
    isMounted = true;
    agent = await startAgent();
  });
  const startAgent = (): Promise<LonePart> => joinAgent(ekiden, 'small', join(disk, 'agent'), ['--disk', '1000', '--cpus', '1', '--mem', '1000']);
  afterAll(async () => {
    await LonePart.endAll();
    if (isMounted) for (const { pid } of ekiden.taskProcesses().filter(({ pid }) => isBelow(pid, disk))) killIfAlive(pid, 'SIGKILL');
    if (isMounted) {
      await eventually('the small disk is free', () => {
        execFileSync('umount', [disk], { stdio: 'ignore' });
        return true;
      });
    }
    await ekiden?.end();
  });

  const fill = (): void => {
    const file = openSync(join(disk, 'ballast'), 'w');
    try {
      for (;;) writeSync(file, Buffer.alloc(4096));
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
    } finally {
      closeSync(file);
    }
    expect(statfsSync(disk).bavail).toBe(0);
  };

  const app = (id: string, more: Record<string, unknown> = {}) => ({ id, cmd: 'exec sleep 100000', cpus: 0.01, mem: 16, ...onAgent('small'), ...more });

  it('fails launches with the reason, stops nothing, and heals', async () => {
    if (!isRoot) return console.log('skipped: only root can mount a small disk');
    await ekiden.deploy(app('/test/before'));
    const [before] = await ekiden.tasks('test/before');
    fill();

    expect((await ekiden.send('PUT', '/v2/apps/test/during', app('/test/during', { backoffSeconds: 1, backoffFactor: 1 }))).status).toBe(201);
    let message = '';
    await eventually('the launch has failed', async () => {
      message = (await ekiden.get('/v2/apps/test/during')).body.app.lastTaskFailure?.message ?? '';
      return message !== '';
    });
    expect(message).toMatch(/not started: .*(ENOSPC|no space left)/i);
    expect(ekiden.taskProcesses().filter(({ taskId }) => taskId.startsWith('test_during.'))).toEqual([]);
    expect(agent.exitCode).toBeNull();
    expect(await ekiden.tasks('test/before')).toMatchObject([{ id: before.id, state: 'TASK_RUNNING' }]);
    await bystander.isUnharmed();
    await ekiden.deploy({ id: '/test/elsewhere', cmd: 'exec sleep 100000', cpus: 0.01, mem: 16, constraints: [['test', 'UNLIKE', 'small']] });

    // An agent that dies on a full disk comes back there, and has its tasks.
    await agent.kill();
    agent = await startAgent();
    await eventually('its task is there', async () => (await ekiden.tasks('test/before'))[0]?.state === 'TASK_RUNNING');
    expect(await ekiden.tasks('test/before')).toMatchObject([{ id: before.id }]);

    // A task can be stopped on a full disk, too.
    await ekiden.send('DELETE', '/v2/apps/test/before');
    await eventually('it is stopped', () => ekiden.taskProcesses().every(({ taskId }) => taskId !== before.id));

    rmSync(join(disk, 'ballast'));
    await ekiden.settled('test/during');
    await ekiden.send('DELETE', '/v2/apps/test/during');
    await eventually('all is stopped', async () => (await ekiden.get('/v2/deployments')).body.length === 0);
  });
});

const isBelow = (pid: number, directory: string): boolean => {
  try {
    return execFileSync('readlink', [`/proc/${pid}/cwd`], { encoding: 'utf8' }).startsWith(directory);
  } catch {
    return false; // It ended meanwhile.
  }
};
