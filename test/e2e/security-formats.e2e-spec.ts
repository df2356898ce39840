/**
 * Data of a newer Ekiden (decision 10): who finds it says so, changes nothing and starts nothing; tasks run on, and whoever can
 * read it goes on as if nothing had been.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { WebSocket } from 'ws';
import { Ekiden, eventually, type PartName } from './ekiden.js';
import { databaseUrlOf, joinTokenFile } from './lone-part.js';

jest.setTimeout(180_000);

describe('data of a newer Ekiden', () => {
  let ekiden: Ekiden;
  let before: readonly { pid: number; taskId: string }[];

  beforeAll(async () => {
    ekiden = await Ekiden.start();
    await ekiden.deploy({ id: '/steady', cmd: 'exec sleep 100000', cpus: 0.01, mem: 16, instances: 2 });
    before = ekiden.taskProcesses();
    expect(before).toHaveLength(2);
  });
  afterEach(async () => {
    await ekiden.settled('steady');
    expect(ekiden.taskProcesses()).toEqual(before);
  });
  afterAll(() => ekiden?.end());

  it.each(['agent.json', 'tasks.journal'])('in %s of an agent: it does not start, and nothing is lost', async (name) => {
    await ekiden.killUp();
    const meta = join(ekiden.dataDir, 'agents/1/meta');
    await eventually('the agent has ended', () => !readdirSync(join(ekiden.dataDir, 'agents/1')).includes('agent.lock'));
    const file = join(meta, name);
    const written = readFileSync(file, 'utf8');
    const newer = written.replaceAll('"v":1,', '"v":2,');
    expect(newer).not.toBe(written);
    writeFileSync(file, newer);

    const refused = await ekiden.refusedUp();
    expect(refused.code).toBe(1);
    expect(refused.out).toContain(`${name}: version 2 is of a newer agent, this one reads up to 1: start the newer agent again`);
    expect(ekiden.taskProcesses()).toEqual(before);
    expect(readFileSync(file, 'utf8')).toBe(newer);
    expect(readdirSync(meta)).not.toContain('damaged');

    writeFileSync(file, written);
    await ekiden.startUp();
  });

  it.each<[string, PartName, string, string, RegExp]>([
    [
      'a row of paas-api',
      'api',
      `UPDATE paas.app_version SET body = jsonb_set(body::jsonb, '{v}', '2')::json`,
      `UPDATE paas.app_version SET body = jsonb_set(body::jsonb, '{v}', '1')::json`,
      /version of \S+: stored in format 2, this version reads 1: start the newer Ekiden again/,
    ],
    [
      'a row of the master',
      'master',
      `UPDATE master.agent SET body = jsonb_set(body::jsonb, '{v}', '2')::json`,
      `UPDATE master.agent SET body = jsonb_set(body::jsonb, '{v}', '1')::json`,
      /agent \S+ is stored in format 2, this version reads 1: start the newer Ekiden again/,
    ],
    [
      'the schema of paas-api',
      'api',
      `INSERT INTO paas.migrations (timestamp, name) VALUES (9999999999999, 'OfTheFuture9999999999999')`,
      `DELETE FROM paas.migrations WHERE name = 'OfTheFuture9999999999999'`,
      /schema \\"paas\\" was migrated by a newer Ekiden \(OfTheFuture9999999999999\)/,
    ],
    [
      'the schema of the master',
      'master',
      `INSERT INTO master.migrations (timestamp, name) VALUES (9999999999999, 'OfTheFuture9999999999999')`,
      `DELETE FROM master.migrations WHERE name = 'OfTheFuture9999999999999'`,
      /schema \\"master\\" was migrated by a newer Ekiden \(OfTheFuture9999999999999\)/,
    ],
  ])('in %s: it does not lead, says so, and goes on when it can read again', async (_what, part, toNewer, back, message) => {
    const log = join(ekiden.dataDir, 'logs', `${part}.log`);
    await sql(toNewer);
    await ekiden.kill(part);
    await eventually('it says so', () => message.test(readFileSync(log, 'utf8')));
    expect(ekiden.taskProcesses()).toEqual(before);
    expect(await sql(back)).toBeGreaterThan(0);
    await eventually('it leads again', async () => (await ekiden.get('/v2/leader')).status === 200);
    await eventually('the master has its agent', async () => (await ekiden.get('/ekiden/v1/nodes')).body.nodes?.[0]?.state === 'active');
    await ekiden.deploy({ id: '/proof', cmd: 'exec sleep 100000', cpus: 0.01, mem: 16 });
    await ekiden.send('DELETE', '/v2/apps/proof');
    await eventually('only the steady ones run', () => ekiden.taskProcesses().length === before.length);
  });

  it('of an agent at the master’s door: refused for good, with the reason', async () => {
    const authorization = `Bearer ${readFileSync(joinTokenFile(ekiden), 'utf8').trim()}`;
    const socket = new WebSocket(`ws://127.0.0.1:${ekiden.masterPort}/ekiden/v1/agent-link`, { headers: { authorization } });
    const heard: string[] = [];
    socket.on('error', () => undefined);
    socket.on('message', (frame: Buffer) => heard.push(frame.toString()));
    socket.on('open', () => {
      const machine = { hostname: 'future', ip: '127.0.0.1', port: 1, version: '9.9.9', resources: [], attributes: [], region: null, zone: null, bootId: 'b' };
      socket.send(JSON.stringify({ type: 'register', v: 2, agentId: null, ...machine, frameworks: [], tasks: [] }));
    });
    await eventually('the link is closed', () => socket.readyState === WebSocket.CLOSED);
    expect(heard.map((text) => JSON.parse(text))).toEqual([
      { type: 'refused', permanent: true, why: expect.stringContaining('version 1 of the agent link, the agent 2') },
    ]);
    expect((await ekiden.get('/ekiden/v1/nodes')).body.nodes).toHaveLength(1);
  });

  /** As the owner of the tables; answers how many rows were changed. */
  async function sql(text: string): Promise<number> {
    const client = new pg.Client({ connectionString: databaseUrlOf(ekiden) });
    await client.connect();
    try {
      return (await client.query(text)).rowCount ?? 0;
    } finally {
      await client.end();
    }
  }
});
