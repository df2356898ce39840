/**
 * Promise 2 on real processes: every process is of a recorded instance, an instance has at most one, and what is not
 * wanted any more is gone, with all that it forked.
 */
import { Ekiden, eventually, isAlive, killIfAlive } from './ekiden.js';

const TIMEOUT_MS = 180_000;
/** An agent is given up soon, so that its return can be seen. */
const SOON = { EKIDEN_AGENT_TIMEOUT_MS: '5000', EKIDEN_AGENT_REREGISTER_TIMEOUT_MS: '2000' };

let ekiden: Ekiden;
beforeAll(async () => void (ekiden = await Ekiden.start({ agents: 2, env: SOON })), TIMEOUT_MS);
afterAll(async () => ekiden?.end(), TIMEOUT_MS);

/** Processes whose task is not of a recorded instance, and instances with more than one task. */
async function surprises(): Promise<string[]> {
  const running = new Set(ekiden.taskProcesses().map(({ taskId }) => taskId));
  const recorded = new Set((await ekiden.get('/v2/tasks')).body.tasks.map((task: { id: string }) => task.id));
  const instances = [...running].map((taskId) => taskId.split('._app.')[0]);
  const doubled = instances.filter((id, index) => instances.indexOf(id) !== index).map((id) => `${id} has two tasks`);
  return [...[...running].filter((taskId) => !recorded.has(taskId)).map((taskId) => `${taskId} is not recorded`), ...doubled];
}

const noSurprises = (): Promise<void> => eventually('only recorded processes run', async () => (await surprises()).length === 0);

it(
  'ends what a task forked away together with the task',
  async () => {
    await ekiden.deploy({ id: '/forks', cmd: 'setsid sh -c "sleep 1001 & sleep 1002" & exec sleep 1003', cpus: 0.05, mem: 16, instances: 2 });
    await eventually('each task has its forked processes', () => ekiden.taskProcesses().length === 2 * 4);
    const [victim] = await ekiden.tasks('/forks');
    const old = ekiden.taskProcesses().filter(({ taskId }) => taskId === victim.id);
    expect(old).toHaveLength(4);

    expect((await ekiden.send('DELETE', `/v2/apps//forks/tasks/${victim.id}`)).status).toBe(200);
    await eventually('all of the killed task is gone', () => old.every(({ pid }) => !isAlive(pid)));
    await ekiden.settled('/forks');
    await eventually('the replacement has forked', () => ekiden.taskProcesses().length === 2 * 4);
    await noSurprises();

    const [crashing] = await ekiden.tasks('/forks');
    const family = ekiden.taskProcesses().filter(({ taskId }) => taskId === crashing.id);
    killIfAlive(Math.min(...family.map(({ pid }) => pid)), 'SIGKILL');
    await eventually('a crashed task takes what it forked along', () => family.every(({ pid }) => !isAlive(pid)));

    await ekiden.send('DELETE', '/v2/apps//forks');
    await eventually('a deleted app leaves no process', () => ekiden.taskProcesses().length === 0);
  },
  TIMEOUT_MS,
);

it(
  'kills the surplus when an agent comes back whose tasks were replaced',
  async () => {
    await ekiden.deploy({
      id: '/spread',
      cmd: 'sleep 1000',
      cpus: 0.05,
      mem: 16,
      instances: 4,
      unreachableStrategy: { inactiveAfterSeconds: 0, expungeAfterSeconds: 0 },
    });
    const [{ host: away }] = await ekiden.tasks('/spread');
    const agent = ekiden.agentOn(away);
    process.kill(agent, 'SIGSTOP');
    await eventually('what was on the stopped agent has been replaced', async () => {
      const running = (await ekiden.tasks('/spread')).filter(({ state }) => state === 'TASK_RUNNING');
      return running.length === 4 && running.every(({ host }) => host !== away);
    });
    expect(ekiden.taskProcesses().length).toBeGreaterThan(4);

    process.kill(agent, 'SIGCONT');
    await eventually('four processes are left', () => ekiden.taskProcesses().length === 4);
    await noSurprises();
    await ekiden.settled('/spread');
  },
  TIMEOUT_MS,
);

it(
  'kills nothing and doubles nothing when agent, master and API are killed together',
  async () => {
    await ekiden.settled('/spread');
    const before = ekiden.taskProcesses().map(({ pid }) => pid);
    await Promise.all([ekiden.kill('agent'), ekiden.kill('master'), ekiden.kill('api')]);
    await eventually('the API leads again', async () => (await ekiden.get('/v2/leader')).status === 200);
    await ekiden.settled('/spread');
    await noSurprises();
    expect(ekiden.taskProcesses().map(({ pid }) => pid)).toEqual(before);
  },
  TIMEOUT_MS,
);
