/**
 * Promise 7 on real processes: strangers' frameworks share the cluster by dominant resource, and what is bounded is refused
 * by the name of its bound.
 */
import { get, type ClientRequest } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ekiden, eventually, type AnyJson } from './ekiden.js';
import { MesosFramework, scalarOf } from './mesos-framework.js';

const TIMEOUT_MS = 180_000;
const CPUS = 2;
const MEM = 2048;
const MAX_SUBSCRIBERS = 1_000;
const MAX_DEPLOYMENTS = 100;

let ekiden: Ekiden;
beforeAll(async () => void (ekiden = await Ekiden.start({ args: ['--agent-cpus', `${CPUS}`, '--agent-mem', `${MEM}`] })), TIMEOUT_MS);
afterAll(async () => ekiden?.end(), TIMEOUT_MS);

interface Demand {
  readonly cpus: number;
  readonly mem: number;
}

/** Its largest share of anything, of the whole cluster. */
const dominantShare = (tasks: number, { cpus, mem }: Demand): number => Math.max((tasks * cpus) / CPUS, (tasks * mem) / MEM);

/** Takes one task out of every offer in which it fits, and never has enough. Begins when `all` are there. */
async function hungry(name: string, demand: Demand, all: Promise<void>): Promise<MesosFramework> {
  let next = 0;
  const answer = (framework: MesosFramework, offer: AnyJson): Promise<unknown> => {
    const fits = scalarOf(offer.resources, 'cpus') >= demand.cpus && scalarOf(offer.resources, 'mem') >= demand.mem;
    return fits ? framework.accept(offer, [task(`${name}-${next++}`, demand)]) : framework.decline(offer, 1);
  };
  const onOffer = (framework: MesosFramework, offer: AnyJson): void => {
    all.then(() => answer(framework, offer)).catch(() => undefined); // the stream ended meanwhile
  };
  return MesosFramework.subscribe({ ...door(), name, role: name, onOffer });
}

const door = (): { master: string; token: string } => ({
  master: `http://127.0.0.1:${ekiden.masterPort}`,
  token: readFileSync(join(ekiden.dataDir, 'tokens/join'), 'utf8').trim(),
});

const task = (id: string, { cpus, mem }: Demand): Record<string, unknown> => ({
  name: id,
  task_id: { value: id },
  command: { shell: true, value: 'exec sleep 1000' },
  resources: [
    { name: 'cpus', type: 'SCALAR', scalar: { value: cpus } },
    { name: 'mem', type: 'SCALAR', scalar: { value: mem } },
  ],
});

const running = (framework: MesosFramework): number => [...framework.states.values()].filter((state) => state === 'TASK_RUNNING').length;

it(
  'shares by dominant resource between frameworks that want different things',
  async () => {
    const ofCpus = { cpus: 0.25, mem: 32 };
    const ofMem = { cpus: 0.05, mem: 256 };
    let begin: () => void = () => undefined;
    const all = new Promise<void>((resolve) => (begin = resolve));
    const frameworks = await Promise.all([hungry('cpu-eater', ofCpus, all), hungry('mem-eater', ofMem, all)]);
    const [cpuEater, memEater] = frameworks;
    try {
      begin();
      await eventually('neither fits once more', () => {
        const [a, b] = [running(cpuEater), running(memEater)];
        const left = { cpus: CPUS - a * ofCpus.cpus - b * ofMem.cpus, mem: MEM - a * ofCpus.mem - b * ofMem.mem };
        return [ofCpus, ofMem].every(({ cpus, mem }) => left.cpus < cpus || left.mem < mem);
      });
      const [a, b] = [dominantShare(running(cpuEater), ofCpus), dominantShare(running(memEater), ofMem)];
      const oneTask = Math.max(dominantShare(1, ofCpus), dominantShare(1, ofMem));
      expect(Math.abs(a - b)).toBeLessThanOrEqual(oneTask + 1e-9);
      expect(Math.min(a, b)).toBeGreaterThanOrEqual(0.7);
      expect([...cpuEater.states.values(), ...memEater.states.values()].filter((state) => state !== 'TASK_RUNNING')).toEqual([]);
    } finally {
      await Promise.all(frameworks.map((framework) => framework.teardown()));
    }
    await eventually('a torn down framework leaves no task', () => ekiden.taskProcesses().length === 0);
  },
  TIMEOUT_MS,
);

it(
  'gives no framework more than was offered, and says so for the one task',
  async () => {
    const greedy = await MesosFramework.subscribe({
      ...door(),
      name: 'greedy',
      role: 'greedy',
      onOffer: (framework, offer) => {
        if (framework.offersSeen > 1) return void framework.decline(offer, 60).catch(() => undefined);
        void framework.accept(offer, [task('fits', { cpus: 0.1, mem: 32 }), task('too-much', { cpus: CPUS, mem: 32 })]).catch(() => undefined);
      },
    });
    try {
      await eventually('both are answered', () => greedy.states.get('fits') === 'TASK_RUNNING' && greedy.states.has('too-much'));
      const refused = greedy.statuses.find((status) => status.task_id.value === 'too-much');
      expect(refused).toMatchObject({ state: 'TASK_ERROR', message: expect.stringMatching(/more resources 2 cpus, .* than available [01](\.\d+)? cpus/) });
    } finally {
      await greedy.teardown();
    }
  },
  TIMEOUT_MS,
);

it(
  'refuses a framework with a wrong token',
  async () => {
    const reply = await fetch(`${door().master}/api/v1/scheduler`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer 0000000000000000' },
      body: '{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"root","name":"thief"}}}',
    });
    expect(reply.status).toBe(401);
  },
  TIMEOUT_MS,
);

it(
  'refuses one event stream too many by name, and takes one when there is room again',
  async () => {
    const open = new Set<ClientRequest>();
    const attach = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const stream = get(`${ekiden.api}/v2/events?event_type=nothing`, { headers: { accept: 'text/event-stream' }, agent: false }, (response) => {
          response.on('error', () => undefined);
          if (response.statusCode === 200) open.add(stream);
          else response.resume();
          resolve(response.statusCode ?? 0);
        });
        stream.on('error', reject);
      });
    try {
      for (let count = 0; count < MAX_SUBSCRIBERS; count += 50)
        expect(await Promise.all(Array.from({ length: 50 }, attach))).toEqual(Array.from({ length: 50 }, () => 200));
      const { status, body } = await ekiden.get('/v2/events', { accept: 'text/event-stream' });
      expect(status).toBe(503);
      expect(body.message).toContain(`${MAX_SUBSCRIBERS} event streams are open already`);
      for (const one of [...open].slice(0, 10)) one.destroy();
      await eventually('there is room again', async () => (await attach()) === 200);
    } finally {
      for (const one of open) one.destroy();
    }
  },
  TIMEOUT_MS,
);

it(
  'refuses one deployment too many by name, and nothing else suffers',
  async () => {
    const wide = (index: number): Record<string, unknown> => ({ id: `/many/app-${index}`, cmd: 'sleep 1000', cpus: 900 });
    for (let index = 0; index < MAX_DEPLOYMENTS; index += 10)
      await Promise.all(Array.from({ length: 10 }, (_, offset) => ekiden.send('POST', '/v2/apps', wide(index + offset))));
    expect((await ekiden.get('/v2/deployments')).body).toHaveLength(MAX_DEPLOYMENTS);
    const { status, body } = await ekiden.send('POST', '/v2/apps', { id: '/one-more', cmd: 'sleep 1000', cpus: 0.05, mem: 16 });
    expect(status).toBe(403);
    expect(body.message).toMatch(/100/);
    expect((await ekiden.get('/v2/apps//one-more')).status).toBe(404);
    await ekiden.send('DELETE', '/v2/apps//many/app-0?force=true');
    await eventually(
      'there is room again',
      async () => (await ekiden.send('PUT', '/v2/apps//one-more', { id: '/one-more', cmd: 'sleep 1000', cpus: 0.05, mem: 16 })).status === 201,
    );
    await ekiden.settled('/one-more');
  },
  TIMEOUT_MS,
);

it.each([
  ['a body', { cmd: 'x'.repeat(5 * 1024 * 1024) }, 413, /4194304|4 MiB/],
  ['an argument', { cmd: 'x'.repeat(131_072) }, 422, /131071/],
  ['an environment value', { cmd: 'true', env: { BIG: 'x'.repeat(131_072) } }, 422, /131071/],
  ['a list', { cmd: 'true', dependencies: Array.from({ length: 1_001 }, (_, index) => `/a${index}`) }, 422, /\/dependencies.*error\.maxLength/],
])(
  'refuses %s over its limit, and names the limit',
  async (_, fields, status, limit) => {
    const reply = await ekiden.send('PUT', '/v2/apps//over', { id: '/over', ...fields });
    expect(reply.status).toBe(status);
    expect(JSON.stringify(reply.body)).toMatch(limit);
    expect((await ekiden.get('/v2/apps//over')).status).toBe(404);
  },
  TIMEOUT_MS,
);
