/**
 * A registry with a login, by a Docker configuration that is fetched or the operator's, in both runtimes of images; and that nobody gets
 * to see the password on the way.
 */
import { createServer, type Server } from 'node:http';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type LocalRegistry, startRegistry } from '../../libs/isolation/test/local-registry.js';
import { type OwnEngine, openOwnEngine } from '../../libs/isolation/test/own-engine.js';
import { Ekiden, eventually } from './ekiden.js';
import { failureOf } from './image-apps.js';
import { joinAgent, joinTokenFile, LonePart, onAgent } from './lone-part.js';

jest.setTimeout(180_000);

// bcrypt of "secret", the only password that the registry knows
const HTPASSWD = 'team:$2b$04$shZSLCE3ItPStuwVvZR1jOWsCZqJL0s4.aRcGet5m1y2fbwrZBc0q\n';
const AUTH = Buffer.from('team:secret').toString('base64');
const SMALL = { cpus: 0.05, mem: 32, backoffSeconds: 300 };

let ekiden: Ekiden;
let registry: LocalRegistry;
let engine: OwnEngine;
let files: Server;
let base: string;
const agents = new Map<string, LonePart>();
/** Every command line of the machine that had the password in it, while the tests run. */
const leaks = new Set<string>();
let looking: NodeJS.Timeout | null = null;
const LOOK_MS = 10;

function lookAtCommandLines(): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      // The test's own push logs in on its command line.
      if (tells(line) && !line.includes('--dest-creds')) leaks.add(line);
    } catch {
      // It has ended.
    }
  }
}

const tells = (text: string): boolean => text.includes(AUTH) || text.includes('team:secret') || text.includes('"password"');

beforeAll(async () => {
  registry = await startRegistry(HTPASSWD);
  engine = await openOwnEngine({ network: 'machine' });
  ekiden = await Ekiden.start({ env: { EKIDEN_LOG_LEVEL: 'debug' } });
  const dir = join(ekiden.dataDir, 'logins');
  const auths = { [registry.address]: { auth: AUTH } };
  mkdirSync(join(dir, '.docker'), { recursive: true });
  writeFileSync(join(dir, '.docker/config.json'), JSON.stringify({ auths }));
  writeFileSync(join(dir, '.dockercfg'), JSON.stringify(auths));
  execFileSync('tar', ['-C', dir, '-czf', join(dir, 'docker.tar.gz'), '.docker']);
  files = createServer((request, response) => void response.end(readFileSync(join(dir, (request.url ?? '').slice(1)))));
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
  const byOperator = ['--image-auth-file', join(dir, '.docker/config.json')];
  const byEngine = ['--image-runtime', 'docker', '--docker-socket', engine.socket];
  const start = async (name: string, args: readonly string[]): Promise<void> =>
    void agents.set(name, await joinAgent(ekiden, name, join(ekiden.dataDir, name), args));
  await start('oci', ['--image-runtime', 'oci']);
  await start('oci-login', ['--image-runtime', 'oci', ...byOperator]);
  await start('docker', byEngine);
  await start('docker-login', [...byEngine, ...byOperator]);
  looking = setInterval(lookAtCommandLines, LOOK_MS);
});
afterAll(async () => {
  if (looking !== null) clearInterval(looking);
  for (const app of (await ekiden.get('/v2/apps')).body.apps) await ekiden.send('DELETE', `/v2/apps/${app.id}?force=true`);
  await eventually('no task is left', async () => (await ekiden.get('/v2/tasks')).body.tasks.length === 0);
  await LonePart.endAll();
  await ekiden.end();
  await new Promise((resolve) => files.close(resolve));
  await registry.close();
  expect(await engine.end()).toEqual([]);
});

let images = 0;
/** Of its own, so that no agent has it. */
function appOn(agent: string, more: object = {}): { readonly id: string } & Record<string, unknown> {
  images += 1;
  const image = registry.push(`private${images}:v1`, ['--config.cmd', '/bin/sleep', '--config.cmd', '1000']);
  return { id: `/private/app${images}`, ...SMALL, container: { type: 'DOCKER', docker: { image, forcePullImage: true } }, ...onAgent(agent), ...more };
}

const fetched: readonly (readonly [string, () => object])[] = [
  ['an archive with .docker/config.json', () => ({ fetch: [{ uri: `${base}/docker.tar.gz` }] })],
  ['a .docker/config.json', () => ({ fetch: [{ uri: `${base}/.docker/config.json`, destPath: '.docker/config.json' }] })],
  ['the older .dockercfg', () => ({ fetch: [{ uri: `${base}/.dockercfg` }] })],
];

describe.each(['oci', 'docker'])('by %s', (runtime) => {
  it('says why when nobody is logged in', async () => {
    const { id, ...app } = appOn(runtime);
    expect(await failureOf(ekiden, id, app)).toMatch(/unauthorized|authentication required|no basic auth/);
  });

  it.each(fetched)('logs in with %s that the app fetches, which nobody else reads', async (_, login) => {
    const app = appOn(runtime, login());
    await ekiden.deploy(app);
    const [task] = await ekiden.tasks(app.id);
    const sandbox = join(ekiden.dataDir, runtime, 'tasks', task.id, 'sandbox');
    const name = ['.docker/config.json', '.dockercfg'].find((one) => statSync(join(sandbox, one), { throwIfNoEntry: false }) !== undefined) ?? '';
    expect(statSync(join(sandbox, name)).mode & 0o777).toBe(0o600);
    const url = agents.get(runtime)?.url ?? '';
    const headers = { authorization: `Bearer ${readFileSync(joinTokenFile(ekiden), 'utf8').trim()}` };
    const answer = await fetch(`${url}/ekiden/v1/tasks/${task.id}/files/${name}`, { headers });
    expect({ status: answer.status, text: await answer.text() }).toEqual({ status: 403, text: expect.stringContaining('logins') });
    const mesos = await fetch(`${url}/files/read?path=${encodeURIComponent(join(sandbox, name))}&offset=0`, { headers });
    expect(tells(await mesos.text())).toBe(false);
    expect(mesos.status).toBe(403);
  });

  it("logs in with the operator's file", async () => {
    await ekiden.deploy(appOn(`${runtime}-login`));
  });
});

it('has shown the password to nobody', async () => {
  expect([...leaks]).toEqual([]);
  for (const [name, { output }] of agents) expect({ name, tells: tells(output) }).toEqual({ name, tells: false });
  expect(tells(ekiden.output)).toBe(false);
  for (const path of ['/v2/apps', '/v2/tasks', '/v2/queue', '/v2/groups?embed=group.apps', '/ekiden/v1/nodes', '/ekiden/v1/deployments']) {
    const { body } = await ekiden.get(path);
    expect({ path, tells: tells(JSON.stringify(body)) }).toEqual({ path, tells: false });
  }
});
