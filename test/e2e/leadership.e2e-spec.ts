/** Who leads, asked and changed by hand; and parts that start before there is a database. */
import { Ekiden, eventually, freePorts, type PartName } from './ekiden.js';
import { databaseUrlOf, joinTokenFile, LonePart } from './lone-part.js';

const TIMEOUT_MS = 180_000;

let ekiden: Ekiden;
beforeAll(async () => void (ekiden = await Ekiden.start()), TIMEOUT_MS);
afterAll(async () => {
  await LonePart.endAll();
  await ekiden?.end();
}, TIMEOUT_MS);

it(
  'gives up the lead, comes back by itself, and no task notices',
  async () => {
    await ekiden.deploy({ id: '/runner', cmd: 'exec sleep 1001', cpus: 0.05, mem: 16 });
    const before = ekiden.taskProcesses();
    const [leader] = ekiden.parts('api');
    expect(await ekiden.send('DELETE', '/v2/leader')).toMatchObject({ status: 200, body: { message: 'Leadership abdicated', details: [] } });
    await eventually('another process leads', async () => ekiden.parts('api')[0] !== leader && (await ekiden.get('/v2/leader')).status === 200);
    await ekiden.settled('/runner');
    expect(ekiden.taskProcesses()).toEqual(before);
  },
  TIMEOUT_MS,
);

it(
  'hands the lead to a standby, which advertises the port that it got',
  async () => {
    const args = ['--port', '0', '--master', `http://127.0.0.1:${ekiden.masterPort}`, '--master-token-file', joinTokenFile(ekiden)];
    const standby = new LonePart('paas-api', args, { DATABASE_URL: databaseUrlOf(ekiden) });
    await standby.says('"listening"');
    const port = Number(/"url":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(standby.output)?.[1]);
    expect(port).toBeGreaterThan(0);
    const asked = await fetch(`http://127.0.0.1:${port}/v2/leader`);
    expect(await asked.json()).toEqual({ leader: `127.0.0.1:${ekiden.apiPort}` });

    // Through the standby: whoever leads is meant.
    expect((await fetch(`http://127.0.0.1:${port}/v2/leader`, { method: 'DELETE' })).status).toBe(200);
    await standby.ready();
    await eventually('both name the standby', async () => (await ekiden.get('/v2/leader')).body.leader === `127.0.0.1:${port}`);
    expect((await ekiden.get('/v2/info')).body.leader).toBe(`127.0.0.1:${port}`);
    await standby.kill('SIGTERM');
    await eventually('the first one leads again', async () => (await ekiden.get('/v2/leader')).body.leader === `127.0.0.1:${ekiden.apiPort}`);
    await ekiden.settled('/runner');
  },
  TIMEOUT_MS,
);

it(
  'waits for a database that is not there yet, and ends at once when told to',
  async () => {
    const [closed] = await freePorts(1);
    const env = { DATABASE_URL: `postgres://nobody:nothing@127.0.0.1:${closed}/none` };
    const parts = (['paas-api', 'master'] as const).map((app) => new LonePart(app, ['--port', '0'], env));
    for (const part of parts) {
      await part.says(/(?:"postgres-awaited"[^]*){3}/);
      expect(
        part.output
          .trim()
          .split('\n')
          .every((line) => line.includes('ECONNREFUSED')),
      ).toBe(true);
      process.kill(part.pid, 'SIGTERM');
      await eventually('it has ended by itself', () => part.exitCode === 0);
    }
  },
  TIMEOUT_MS,
);

it.each<PartName[][]>([[['postgres', 'master', 'api']], [['postgres', 'master']], [['postgres', 'api']]])(
  'heals when %p are killed together',
  async (victims) => {
    const before = ekiden.taskProcesses();
    await Promise.all(victims.map((name) => ekiden.kill(name)));
    await eventually('the API leads again', async () => (await ekiden.get('/v2/leader')).status === 200);
    await ekiden.settled('/runner');
    // While Postgres is away a leading API answers 503: nothing was written, and the same change may be sent again.
    const after = { cmd: 'exec sleep 1002', cpus: 0.05, mem: 16 };
    await eventually('a change is taken', async () => (await ekiden.send('PUT', '/v2/apps//after', after)).status < 300);
    await ekiden.settled('/after');
    await ekiden.send('DELETE', '/v2/apps//after');
    await eventually('only the first task runs', () => ekiden.taskProcesses().length === before.length);
    expect(ekiden.taskProcesses()).toEqual(before);
    expect(ekiden.output).not.toContain('cannot start');
  },
  TIMEOUT_MS,
);
