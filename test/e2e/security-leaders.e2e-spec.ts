/**
 * A second master and a second API, started by mistake on the same database (decision 5): they wait, take over when the leader
 * is gone or hangs, and what a leader that hung still wants to write is refused. No instance is doubled meanwhile.
 */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { Ekiden, eventually, type AnyJson } from './ekiden.js';
import { databaseUrlOf, joinTokenFile, LonePart } from './lone-part.js';

jest.setTimeout(240_000);

/** A lease runs out after 15 s, and an agent gives up a silent master after 25 s. */
const TAKEOVER_MS = 120_000;

describe('a second master and a second API on one database', () => {
  let ekiden: Ekiden;
  let api: LonePart;
  let master: LonePart;
  let apiUrl: string;
  let masterUrl: string;
  let before: readonly { pid: number; taskId: string }[];

  beforeAll(async () => {
    ekiden = await Ekiden.start();
    await ekiden.deploy({ id: '/steady', cmd: 'exec sleep 100000', cpus: 0.01, mem: 16, instances: 3 });
    before = processes();
  });
  afterEach(async () => {
    await ekiden.settled('steady');
    expect(processes()).toEqual(before);
  });
  afterAll(async () => {
    for (const part of [api, master]) if (part?.exitCode === null) process.kill(part.pid, 'SIGCONT');
    await LonePart.endAll();
    await ekiden?.end();
  });

  it('do not lead, and send everybody to who does', async () => {
    const env = { DATABASE_URL: databaseUrlOf(ekiden) };
    const masters = ['--master', `http://127.0.0.1:${ekiden.masterPort}`, '--master-token-file', joinTokenFile(ekiden)];
    api = new LonePart('paas-api', ['--port', '0', ...masters], env);
    master = new LonePart('master', ['--port', '0', '--token-file', joinTokenFile(ekiden)], env);
    [apiUrl, masterUrl] = [await listening(api), await listening(master)];

    expect(await (await fetch(`${apiUrl}/v2/leader`)).json()).toEqual({ leader: `127.0.0.1:${ekiden.apiPort}` });
    const asked = await fetch(`${apiUrl}/v2/apps/steady`);
    expect([asked.status, asked.headers.get('x-marathon-via')]).toEqual([200, expect.stringContaining('1.1 ')]);
    const redirected = await fetch(`${masterUrl}/api/v1`, { method: 'POST', headers: headers(), body: '{"type":"GET_STATE"}', redirect: 'manual' });
    expect([redirected.status, redirected.headers.get('location')]).toEqual([307, `//127.0.0.1:${ekiden.masterPort}/api/v1`]);
    expect([api.url, master.url]).toEqual([null, null]);
  });

  it('change nothing while they wait: one framework, one agent, no instance doubled', async () => {
    await ekiden.deploy({ id: '/change', cmd: 'exec sleep 100000', cpus: 0.01, mem: 16, instances: 2 });
    const reply = await fetch(`${apiUrl}/v2/apps/change`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"instances":1}' });
    expect(reply.status).toBe(200);
    await ekiden.settled('change');
    expect(await frameworks()).toEqual(['ekiden']);
    expect(ekiden.taskProcesses().filter(({ taskId }) => taskId.startsWith('change.'))).toHaveLength(1);
  });

  it('take over when the leaders are killed', async () => {
    await Promise.all([ekiden.kill('api'), ekiden.kill('master')]);
    await Promise.all([api.ready(), master.ready()]);
    await eventually('everybody names the new leader', async () => (await ekiden.get('/v2/leader')).body.leader === new URL(apiUrl).host);
    await ekiden.deploy({ id: '/after', cmd: 'exec sleep 100000', cpus: 0.01, mem: 16 });
    expect(await frameworks()).toEqual(['ekiden']);
    expect((await ekiden.get('/ekiden/v1/nodes')).body.nodes).toHaveLength(1);
    expect(ekiden.taskProcesses().filter(({ taskId }) => taskId.startsWith('after.'))).toHaveLength(1);
  });

  it('are replaced when they hang, and then can write nothing any more', async () => {
    for (const { pid } of [api, master]) process.kill(pid, 'SIGSTOP');
    // It lies in the connection until the API goes on, which then does not know yet that it leads no longer.
    const late = fetch(`${apiUrl}/v2/apps/late`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ cmd: 'exec sleep 1' }),
    });
    const answered = late.then(
      ({ status }) => status,
      () => 'cut off',
    );
    await eventually('the first API leads again', async () => (await ekiden.get('/v2/leader')).body.leader === `127.0.0.1:${ekiden.apiPort}`, TAKEOVER_MS);
    await eventually('the first master has the agent', async () => (await nodes()).some(({ state }) => state === 'active'), TAKEOVER_MS);
    await ekiden.deploy({ id: '/meanwhile', cmd: 'exec sleep 100000', cpus: 0.01, mem: 16 });

    for (const { pid } of [api, master]) process.kill(pid, 'SIGCONT');
    // One that has heard of its end before it reads the request hands it on to the leader, as any standby does.
    const answer = await answered;
    expect([201, 503, 'cut off']).toContain(answer);
    expect(await Promise.all([api.ended(), master.ended()])).toEqual([1, 1]);
    for (const part of [api, master]) expect(part.output).toContain('"leads-no-longer"');
    // What the leader shows is what is stored: nothing was written behind its back. Cut off while it was handed on, a client was told nothing.
    const isShown = (await ekiden.get('/v2/apps/late')).status === 200;
    expect(isShown).toBe(await isStored('/late'));
    if (answer !== 'cut off') expect(isShown).toBe(answer === 201);
    await ekiden.settled('meanwhile');
    expect(await frameworks()).toEqual(['ekiden']);
  });

  const processes = () => ekiden.taskProcesses().filter(({ taskId }) => taskId.startsWith('steady.'));
  const nodes = async (): Promise<AnyJson[]> => (await ekiden.get('/ekiden/v1/nodes')).body.nodes;
  const headers = (): Record<string, string> => ({
    'content-type': 'application/json',
    authorization: `Bearer ${readFileSync(joinTokenFile(ekiden), 'utf8').trim()}`,
  });

  async function isStored(appId: string): Promise<boolean> {
    const client = new pg.Client({ connectionString: databaseUrlOf(ekiden) });
    await client.connect();
    try {
      return (await client.query('SELECT 1 FROM paas.app WHERE id = $1', [appId])).rowCount === 1;
    } finally {
      await client.end();
    }
  }

  async function listening(part: LonePart): Promise<string> {
    await part.says('"listening"');
    return /"url":"(http:[^"]+)"/.exec(part.output)?.[1] ?? '';
  }

  /** Asked at any master: it sends us to the leader. */
  async function frameworks(): Promise<string[]> {
    const body = '{"type":"GET_FRAMEWORKS"}';
    const reply = await fetch(`http://127.0.0.1:${ekiden.masterPort}/api/v1`, { method: 'POST', headers: headers(), body, redirect: 'manual' });
    const location = reply.headers.get('location');
    const last = location === null ? reply : await fetch(`http:${location}`, { method: 'POST', headers: headers(), body });
    return ((await last.json()) as AnyJson).get_frameworks.frameworks.map((one: AnyJson) => one.framework_info.name);
  }
});
