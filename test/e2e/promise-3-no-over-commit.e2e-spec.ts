/**
 * Promise 3 on real processes: nothing is launched onto resources that are taken, also not onto an agent that came back
 * smaller than what already runs on it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ekiden, eventually, type AnyJson } from './ekiden.js';

const TIMEOUT_MS = 180_000;
const CPUS = 1;
const SMALLER_CPUS = 0.5;

let ekiden: Ekiden;
beforeAll(async () => void (ekiden = await Ekiden.start({ args: ['--agent-cpus', `${CPUS}`, '--agent-mem', '512'] })), TIMEOUT_MS);
afterAll(async () => ekiden?.end(), TIMEOUT_MS);

const node = async (): Promise<AnyJson> => (await ekiden.get('/ekiden/v1/nodes')).body.nodes[0];
const queueOf = async (id: string): Promise<AnyJson> => (await ekiden.get('/v2/queue')).body.queue.find((item: AnyJson) => item.app.id === id);

/** What the master's own state says is given away, by agent. */
async function agentsOfMaster(): Promise<AnyJson[]> {
  const token = readFileSync(join(ekiden.dataDir, 'tokens/join'), 'utf8').trim();
  const response = await fetch(`http://127.0.0.1:${ekiden.masterPort}/api/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: '{"type":"GET_AGENTS"}',
  });
  return ((await response.json()) as AnyJson).get_agents.agents;
}

const cpusOf = (resources: AnyJson[] | undefined): number => resources?.find(({ name }) => name === 'cpus')?.scalar.value ?? 0;

it(
  'never runs more than fits, and says what is missing',
  async () => {
    const reply = await ekiden.send('PUT', '/v2/apps//wide', { id: '/wide', cmd: 'sleep 1000', cpus: 0.3, mem: 16, instances: 6 });
    expect(reply.status).toBe(201);
    await eventually('three run and three wait', async () => {
      const { body } = await ekiden.get('/v2/apps//wide');
      const item = await queueOf('/wide');
      return body.app.tasksRunning === 3 && item?.count === 3 && item.processedOffersSummary.unusedOffersCount > 0;
    });
    expect(ekiden.taskProcesses()).toHaveLength(3);
    const [agent] = await agentsOfMaster();
    expect(cpusOf(agent.allocated_resources) + cpusOf(agent.offered_resources)).toBeLessThanOrEqual(CPUS);

    const why = (await ekiden.get('/ekiden/v1/why//wide')).body;
    expect(why.queue.refusals).toEqual([expect.objectContaining({ reason: 'InsufficientCpus', text: expect.stringMatching(/0\.3 cpus.*0\.1/) })]);
  },
  TIMEOUT_MS,
);

it(
  'gives the next one what an ended one leaves, and no more',
  async () => {
    await ekiden.send('PUT', '/v2/apps//narrow?force=true', { id: '/narrow', cmd: 'sleep 1000', cpus: 0.1, mem: 16, instances: 5 });
    await eventually('one narrow instance fills the gap', async () => (await queueOf('/narrow'))?.count === 4);
    const [victim] = await ekiden.tasks('/wide');
    expect((await ekiden.send('DELETE', `/v2/apps//wide/tasks/${victim.id}?scale=true&force=true`)).status).toBe(200);
    await eventually('what was freed is used again', async () => {
      const [agent] = await agentsOfMaster();
      const used = cpusOf(agent.allocated_resources);
      expect(used).toBeLessThanOrEqual(CPUS + 1e-9);
      const ids = (await ekiden.tasks('/wide')).map(({ id }) => id);
      return used > CPUS - 0.1 && !ids.includes(victim.id);
    });
  },
  TIMEOUT_MS,
);

it(
  'offers nothing of an agent that came back smaller than its tasks, and ends none of them',
  async () => {
    // A task is told as running from its fork on; its environment, by which it is found here, comes with the exec.
    const running = (await ekiden.tasks('/wide')).length + (await ekiden.tasks('/narrow')).length;
    await eventually('every task has its process', () => ekiden.taskProcesses().length === running);
    const before = ekiden.taskProcesses().map(({ pid }) => pid);
    await ekiden.killUp();
    await ekiden.startUp(['--agent-cpus', `${SMALLER_CPUS}`]);
    await eventually('the deficit is shown', async () => {
      const { state, resources, used, deficit } = await node();
      return state === 'active' && resources.cpus === SMALLER_CPUS && Math.abs(used.cpus - deficit.cpus - SMALLER_CPUS) < 1e-9 && deficit.cpus > 0;
    });
    expect(ekiden.cli('nodes').out).toMatch(/active, 0\.\d+ cpus short/);
    const launched = (await ekiden.tasks('/wide')).length;
    await ekiden.send('PUT', '/v2/apps//late', { id: '/late', cmd: 'sleep 1000', cpus: 0.01, mem: 16 });
    const [one] = await ekiden.tasks('/narrow');
    await ekiden.send('DELETE', `/v2/apps//narrow/tasks/${one.id}?scale=true&force=true`);
    await eventually('a task that ends makes the deficit smaller and no room', async () => (await ekiden.tasks('/narrow')).every(({ id }) => id !== one.id));
    expect((await node()).used.cpus).toBeGreaterThan(SMALLER_CPUS);
    expect(await ekiden.tasks('/late')).toEqual([]);
    expect(await ekiden.tasks('/wide')).toHaveLength(launched);
    const pids = ekiden.taskProcesses().map(({ pid }) => pid);
    expect(before).toEqual(expect.arrayContaining(pids));

    await ekiden.send('DELETE', '/v2/apps//wide?force=true');
    await eventually('with the deficit gone, there is room again', async () => (await ekiden.get('/v2/apps//late')).body.app.tasksRunning === 1);
    expect((await node()).deficit.cpus).toBe(0);
  },
  TIMEOUT_MS,
);
