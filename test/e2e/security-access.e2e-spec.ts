/**
 * Who is let in (decision 19): tokens of people, agents and frameworks; pages of other origins; bind addresses. Each from the
 * outside, on the API, the master and the agent.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bystander } from './bystander.js';
import { Ekiden, eventually, freePorts } from './ekiden.js';
import { joinTokenFile, LonePart, writeTokenFile } from './lone-part.js';
import { sendRaw, type RawReply } from './raw-request.js';

jest.setTimeout(180_000);

const APP = JSON.stringify({ id: '/evil', cmd: 'sleep 1000' });
const JSON_TYPE = { 'content-type': 'application/json' };
const SUBSCRIBE = JSON.stringify({ type: 'SUBSCRIBE', subscribe: { framework_info: { user: 'root', name: 'evil', roles: ['*'] } } });
const LINK = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' };
/** The path on which agents link; libs/agent-link. */
const LINK_PATH = '/ekiden/v1/agent-link';

describe('an Ekiden on loopback without a token', () => {
  let ekiden: Ekiden;
  let bystander: Bystander;
  let scratch: string;
  let token: string;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'ekiden-e2e-access-'));
    ekiden = await Ekiden.start();
    token = readFileSync(joinTokenFile(ekiden), 'utf8').trim();
    bystander = await Bystander.deploy(ekiden);
  });
  afterEach(async () => {
    await bystander.isUnharmed();
    expect((await ekiden.get('/v2/apps')).body.apps.map(({ id }: { id: string }) => id)).toEqual(['/test/bystander']);
  });
  afterAll(async () => {
    await LonePart.endAll();
    await ekiden?.end();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** What a page of another site can make a browser send. */
  const pages: [string, Record<string, string>][] = [
    ['another origin', { origin: 'https://evil.example', ...JSON_TYPE }],
    ['another port of loopback: the page of a task', { origin: 'http://127.0.0.1:31000', ...JSON_TYPE }],
    ['a sandboxed frame', { origin: 'null', ...JSON_TYPE }],
    ['a name that resolves to 127.0.0.1 (DNS rebinding)', { host: 'evil.example', origin: 'http://evil.example', ...JSON_TYPE }],
    ['DNS rebinding without an Origin', { host: 'evil.example', ...JSON_TYPE }],
    ['a name that begins like loopback', { host: '127.0.0.1.evil.example', ...JSON_TYPE }],
    ['a form (text/plain, no Origin)', { 'content-type': 'text/plain' }],
    ['a form (urlencoded)', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a form that pretends', { 'content-type': 'text/plain; charset=application/json' }],
    ['no media type', {}],
    ['cross-site, as the browser says itself', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', ...JSON_TYPE }],
  ];

  it.each(pages)('lets no page deploy: %s', async (_what, headers) => {
    for (const [method, path] of [
      ['POST', '/v2/apps'],
      ['PUT', '/v2/apps/evil'],
      ['PUT', '/v2/apps'],
    ] as const) {
      const body = path === '/v2/apps' && method === 'PUT' ? `[${APP}]` : APP;
      const reply = await sendRaw({ port: ekiden.apiPort, method, path, headers, body });
      expect([403, 415]).toContain(reply.status);
      expect(JSON.parse(reply.text)).toEqual({ message: expect.any(String) });
    }
  });

  it.each(pages)('lets no page speak to the master or an agent: %s', async (_what, headers) => {
    const withToken = { authorization: `Bearer ${token}`, ...headers };
    const toMaster = await sendRaw({ port: ekiden.masterPort, method: 'POST', path: '/api/v1/scheduler', headers: withToken, body: SUBSCRIBE });
    expect([400, 403, 415]).toContain(toMaster.status);
    const isForm = headers['host'] === undefined && headers['origin'] === undefined && headers['sec-fetch-site'] === undefined;
    if (isForm) return; // reads need no media type, and an agent has nothing but reads
    const link = await sendRaw({ port: ekiden.masterPort, path: LINK_PATH, headers: { ...withToken, ...LINK } });
    expect(link.status).toBe(403);
    expect((await sendRaw({ port: ekiden.agentPort, path: '/ekiden/v1/tasks', headers: withToken })).status).toBe(403);
    expect((await sendRaw({ port: ekiden.agentPort, path: '/health', headers })).status).toBe(403);
  });

  it('lets no page delete, restart or kill', async () => {
    const headers = { origin: 'https://evil.example' };
    for (const [method, path] of [
      ['DELETE', '/v2/apps/test/bystander'],
      ['POST', '/v2/apps/test/bystander/restart'],
      ['DELETE', '/v2/apps/test/bystander/tasks'],
      ['DELETE', '/v2/leader'],
    ] as const)
      expect([path, (await sendRaw({ port: ekiden.apiPort, method, path, headers })).status]).toEqual([path, 403]);
    expect((await sendRaw({ port: ekiden.apiPort, path: '/v2/events', headers: { ...headers, accept: 'text/event-stream' } })).status).toBe(403);
    expect((await sendRaw({ port: ekiden.apiPort, path: '/v2/apps', headers: { host: 'evil.example' } })).status).toBe(403);
  });

  it('serves its own pages and plain clients', async () => {
    const own = { host: `localhost:${ekiden.apiPort}`, origin: `http://localhost:${ekiden.apiPort}` };
    expect((await sendRaw({ port: ekiden.apiPort, path: '/v2/apps', headers: own })).status).toBe(200);
    expect((await sendRaw({ port: ekiden.apiPort, path: '/v2/apps', headers: { host: '[::1]' } })).status).toBe(200);
    expect((await sendRaw({ port: ekiden.apiPort, method: 'PUT', path: '/v2/apps', headers: { ...own, ...JSON_TYPE }, body: '[]' })).status).toBe(200);
  });

  it('lets no framework subscribe without the token, and no operator ask', async () => {
    for (const authorization of [undefined, 'Bearer wrong-token-of-some-length', `Basic ${token}`, `Bearer ${token}x`]) {
      const headers = { ...JSON_TYPE, ...(authorization === undefined ? {} : { authorization }) };
      const subscribed = await sendRaw({ port: ekiden.masterPort, method: 'POST', path: '/api/v1/scheduler', headers, body: SUBSCRIBE });
      const asked = await sendRaw({ port: ekiden.masterPort, method: 'POST', path: '/api/v1', headers, body: '{"type":"GET_STATE"}' });
      const linked = await sendRaw({ port: ekiden.masterPort, path: LINK_PATH, headers: { ...headers, ...LINK } });
      const read = await sendRaw({ port: ekiden.agentPort, path: '/ekiden/v1/tasks', headers });
      expect([subscribed, asked, linked, read].map(({ status }) => status)).toEqual([401, 401, 401, 401]);
    }
    const known = await sendRaw({
      port: ekiden.masterPort,
      method: 'POST',
      path: '/api/v1',
      headers: { ...JSON_TYPE, authorization: `Bearer ${token}` },
      body: '{"type":"GET_FRAMEWORKS"}',
    });
    expect(JSON.parse(known.text).get_frameworks.frameworks.map((one: { framework_info: { name: string } }) => one.framework_info.name)).toEqual(['ekiden']);
  });

  it('lets no agent join with a wrong token, nor without one', async () => {
    const wrong = writeTokenFile(join(scratch, 'wrong-token'), 'not-the-token-of-this-cluster');
    const args = ['--master', `http://127.0.0.1:${ekiden.masterPort}`, '--port', '0'];
    const strangers = [['--token-file', wrong], []].map(
      (more, index) => new LonePart('agent', [...args, '--work-dir', join(scratch, `agent-${index}`), ...more]),
    );
    for (const stranger of strangers) await stranger.says(/answered 401: check --token-file/);
    expect((await ekiden.get('/ekiden/v1/nodes')).body.nodes).toHaveLength(1);
    for (const stranger of strangers) await stranger.kill('SIGTERM');
  });

  it.each<[string, 'master' | 'agent' | 'paas-api', string[]]>([
    ['the API', 'paas-api', []],
    ['the master', 'master', []],
    ['an agent', 'agent', ['--work-dir', '.']],
  ])('binds %s to other addresses than loopback only with a token', async (_what, app, more) => {
    mkdirSync(join(scratch, app), { recursive: true });
    const args = more.map((word) => (word === '.' ? join(scratch, app) : word));
    const env = { DATABASE_URL: 'postgres://nobody:nothing@127.0.0.1:1/none' };
    const parts = ['0.0.0.0', '::', '192.0.2.1'].map((bind) => ({ bind, part: new LonePart(app, ['--port', '0', '--bind', bind, ...args], env) }));
    for (const { bind, part } of parts) {
      expect(await part.ended()).toBe(2);
      expect(part.output.trim().split('\n')).toEqual([
        expect.stringContaining(`${bind} can be reached from other machines and is bound only with a token: give --token-file`),
      ]);
    }
  });

  it('starts no `ekiden up` on another address without a token, and touches nothing', async () => {
    const [api, master, agent] = await freePorts(3);
    const ports = ['--api-port', `${api}`, '--master-port', `${master}`, '--agent-port', `${agent}`];
    const { code, out } = ekiden.cli('up', '--bind', '0.0.0.0', '--data-dir', join(scratch, 'never'), ...ports);
    expect(code).toBe(1);
    expect(out).toContain('--bind 0.0.0.0 lets others in, and there is no --token-file');
    expect(existsSync(join(scratch, 'never'))).toBe(false);
  });
});

describe('an Ekiden with a token file', () => {
  const TOKEN = 'a-token-of-people-0123456789';
  let ekiden: Ekiden;
  let scratch: string;
  const ask = (headers: Record<string, string>, path = '/v2/apps'): Promise<RawReply> => sendRaw({ port: ekiden.apiPort, path, headers });

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'ekiden-e2e-token-'));
    const tokenFile = writeTokenFile(join(scratch, 'people'), TOKEN);
    ekiden = await Ekiden.start({ args: ['--bind', '0.0.0.0', '--token-file', tokenFile] });
  });
  afterAll(async () => {
    await ekiden?.end();
    rmSync(scratch, { recursive: true, force: true });
  });

  it('answers 401 without it, in every method and on every path but the open ones', async () => {
    for (const authorization of [undefined, 'Bearer another-token-0123456789', `Bearer ${TOKEN}1`, `Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}`]) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      for (const path of ['/v2/apps', '/v2/info', '/v2/events', '/metrics', '/ekiden/v1/nodes', '/no/such/path', '/ping/../v2/apps', '/docs/%2e%2e/v2/apps']) {
        const reply = await ask({ ...headers, accept: '*/*' }, path);
        expect([path, reply.status]).toEqual([path, 401]);
        expect(reply.text).not.toContain(TOKEN);
      }
      const put = await sendRaw({ port: ekiden.apiPort, method: 'PUT', path: '/v2/apps/evil', headers: { ...headers, ...JSON_TYPE }, body: APP });
      expect(put.status).toBe(401);
    }
    expect((await ask({})).headers['www-authenticate']).toBe('Bearer');
    expect((await ask({}, '/ping')).status).toBe(200);
  });

  it('works with it, for plain requests, the stream and the command line', async () => {
    const authorization = `Bearer ${TOKEN}`;
    expect((await ask({ authorization })).status).toBe(200);
    expect((await ask({ authorization, accept: 'text/event-stream' }, '/v2/events')).status).toBe(200);
    const app = JSON.stringify({ id: '/guarded', cmd: 'exec sleep 1000', cpus: 0.01, mem: 16 });
    expect((await sendRaw({ port: ekiden.apiPort, method: 'POST', path: '/v2/apps', headers: { authorization, ...JSON_TYPE }, body: app })).status).toBe(201);
    await eventually('it runs', async () => JSON.parse((await ask({ authorization }, '/v2/apps/guarded')).text).app.tasksRunning === 1);
    expect(ekiden.cli('apps')).toMatchObject({ code: 1, out: expect.stringContaining('EKIDEN_TOKEN_FILE') });
    process.env['EKIDEN_TOKEN_FILE'] = join(scratch, 'people');
    try {
      expect(ekiden.cli('apps')).toMatchObject({ code: 0, out: expect.stringContaining('/guarded') });
    } finally {
      delete process.env['EKIDEN_TOKEN_FILE'];
    }
  });

  it('asks for the token before anything else is judged, but not before Host and Origin', async () => {
    const authorization = `Bearer ${TOKEN}`;
    expect((await ask({ authorization, origin: 'https://evil.example' })).status).toBe(403);
    expect((await ask({ authorization, host: 'evil.example' })).status).toBe(403);
  });
});
