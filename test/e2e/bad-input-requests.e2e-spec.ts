/** Bad input over real HTTP: each is refused with the right status, the shape of body and the path of the field. Nothing else suffers. */
import { request } from 'node:http';
import { Bystander } from './bystander.js';
import { Ekiden, eventually, type AnyJson } from './ekiden.js';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;
const numbered = (count: number, value: string): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, n) => [`N${n}`, value]));

describe('bad input over HTTP', () => {
  let ekiden: Ekiden;
  let bystander: Bystander;

  beforeAll(async () => {
    ekiden = await Ekiden.start();
    bystander = await Bystander.deploy(ekiden);
  });
  afterEach(() => bystander.isUnharmed());
  afterAll(() => ekiden?.end());

  const post = (app: Record<string, unknown>) => ekiden.send('POST', '/v2/apps', app);

  it.each([
    ['a brace that is not closed', '{'],
    ['a word', 'hello'],
    ['YAML', 'id: /x\ncmd: sleep 1\n'],
    ['bytes that are not UTF-8 text', '{"id":"/x","cmd":"\u0000\u0001'],
  ])('refuses what is not JSON: %s', async (_what, body) => {
    const reply = await ekiden.send('POST', '/v2/apps', body);
    expect(reply).toMatchObject({ status: 400, body: { message: 'Invalid JSON', details: expect.any(String) } });
  });

  it('refuses an empty body', async () => {
    const reply = await ekiden.send('POST', '/v2/apps', '');
    expect(reply).toMatchObject({ status: 400, body: { message: 'Please specify data in JSON format', details: expect.any(String) } });
  });

  it('refuses JSON that is nested without end', async () => {
    const reply = await ekiden.send('POST', '/v2/apps', `{"id":"/x","cmd":"true","labels":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`);
    expect(reply.status).toBe(422);
    expect(reply.body.message).toEqual(expect.any(String));
  });

  it.each<[string, Record<string, unknown>, string, string]>([
    ['a number for cmd', { cmd: 1 }, '/cmd', 'error.expected.jsstring'],
    ['text for cpus', { cpus: '1' }, '/cpus', 'error.expected.jsnumber'],
    ['half an instance', { instances: 1.5 }, '/instances', 'error.expected.int'],
    ['a list for env', { env: ['A=1'] }, '/env', 'error.expected.jsobject'],
    ['an object for args', { args: {} }, '/args', 'error.expected.jsarray'],
    ['text for requirePorts', { requirePorts: 'yes' }, '/requirePorts', 'error.expected.jsboolean'],
    ['an unknown protocol', { healthChecks: [{ protocol: 'SMTP' }] }, '/healthChecks(0)/protocol', 'error.unknown.enum.literal'],
    ['negative cpus', { cpus: -1 }, '/cpus', 'error.min'],
    ['cpus 0', { cpus: 0 }, '/cpus', 'error.min'],
    ['huge cpus', { cpus: 1e30 }, '/cpus', 'error.max'],
    ['negative memory', { mem: -5 }, '/mem', 'error.min'],
    ['huge memory', { mem: 1e99 }, '/mem', 'error.max'],
    ['negative disk', { disk: -1 }, '/disk', 'error.min'],
    ['negative instances', { instances: -1 }, '/instances', 'error.min'],
    ['huge instances', { instances: 1e12 }, '/instances', 'error.max'],
    ['a port above 65535', { portDefinitions: [{ port: 70_000 }] }, '/portDefinitions(0)/port', 'error.max'],
    ['an id with capitals', { id: '/Shop' }, '/id', 'error.pattern'],
  ])('refuses wrong types and limits: %s', async (_what, fields, path, token) => {
    const reply = await post({ id: '/x', cmd: 'sleep 1', ...fields });
    expect(reply).toMatchObject({ status: 422, body: { message: 'Invalid JSON' } });
    expect(reply.body.details).toEqual([{ path, errors: [token] }]);
  });

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['".." within an absolute id', { id: '/a/../b' }, '/id', /\.\./],
    ['an empty part in the id', { id: '/a//b' }, '/id', /empty part/],
    ['an id of 2,000 characters', { id: `/${'a'.repeat(1_999)}` }, '/id', /2000 characters.*at most/],
    ['a port twice', { portDefinitions: [{ port: 8000 }, { port: 8000 }] }, '/portDefinitions', /8000 is used twice/],
    ['a port twice in the older field', { ports: [9000, 9000] }, '/portDefinitions', /9000 is used twice/],
    ['a health check on a port that is not there', { healthChecks: [{ protocol: 'HTTP', portIndex: 3 }] }, '/healthChecks(0)', /portIndex is 3/],
    ['an unknown operator', { constraints: [['hostname', 'NEAR']] }, '/constraints(0)', /NEAR.*UNIQUE/],
    ['a constraint of one field', { constraints: [['hostname']] }, '/constraints(0)', /2 or 3 fields/],
    ['a fetch out of the sandbox', { fetch: [{ uri: 'http://127.0.0.1/x', destPath: '../x' }] }, '/fetch(0)/destPath', /inside of the sandbox/],
    ['itself as a dependency', { dependencies: ['/x'] }, '/', /cyclic/],
    ['neither cmd nor args', { cmd: null }, '/', /cmd/],
    ['a command of 1 MB', { cmd: 'x'.repeat(1_000_000) }, '/cmd', /1000000 bytes.*131071/],
    ['an environment value of 200 kB', { env: { BIG: 'x'.repeat(200_000) } }, '/env/BIG', /131071/],
    ['one argument of 200 kB', { cmd: null, args: ['ls', 'x'.repeat(200_000)] }, '/args(1)', /131071/],
  ])('refuses what breaks a rule: %s', async (_what, fields, path, error) => {
    const reply = await post({ id: '/x', cmd: 'sleep 1', ...fields });
    expect(reply).toMatchObject({ status: 422, body: { message: 'Object is not valid' } });
    const detail = (reply.body.details as AnyJson[]).find((one) => one.path === path);
    expect(detail?.errors.join('\n')).toMatch(error);
  });

  it.each<[string, string, string, unknown, number, RegExp]>([
    ['1,001 variables', 'POST', '/v2/apps', { id: '/x', cmd: 'sleep 1', env: numbered(1_001, 'x') }, 422, /"\/env".*1001 entries, at most 1000/],
    ['1,001 labels', 'POST', '/v2/apps', { id: '/x', cmd: 'sleep 1', labels: numbered(1_001, 'x') }, 422, /"\/labels".*at most 1000 labels/],
    ['1,001 constraints', 'POST', '/v2/apps', { id: '/x', cmd: 'sleep 1', constraints: Array(1_001).fill(['a', 'UNIQUE']) }, 422, /"\/constraints".*maxLength/],
    ['1,001 ports', 'POST', '/v2/apps', { id: '/x', cmd: 'sleep 1', portDefinitions: Array(1_001).fill({ port: 0 }) }, 422, /"\/portDefinitions".*maxLength/],
    ['1,001 artifacts', 'POST', '/v2/apps', { id: '/x', cmd: 'sleep 1', fetch: Array(1_001).fill({ uri: 'http://x/y' }) }, 422, /"\/fetch".*maxLength/],
    [
      '1,001 apps in a request',
      'PUT',
      '/v2/apps',
      Array.from({ length: 1_001 }, (_, n) => ({ id: `/x/${n}`, cmd: 'sleep 1' })),
      422,
      /1000 apps, this one has 1001/,
    ],
    ['10,001 tasks in a request', 'POST', '/v2/tasks/delete', { ids: Array(10_001).fill('a.b') }, 422, /"\/ids".*maxLength/],
    ['too long a page of the history', 'GET', '/ekiden/v1/deployments?limit=1001', undefined, 400, /integer from 1 to 1000/],
    ['too much of a log', 'GET', '/ekiden/v1/tasks/a.b/logs/stdout?length=1048577', undefined, 400, /integer from 0 to 1048576/],
    ['a URL of 20,000 characters', 'GET', `/v2/apps?label=${'x'.repeat(20_000)}`, undefined, 431, /header size/],
  ])('keeps to its named limits: %s', async (_what, method, path, body, status, text) => {
    const reply = await ekiden.send(method, path, body);
    expect([reply.status, JSON.stringify(reply.body)]).toEqual([status, expect.stringMatching(text)]);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['images', { container: { type: 'MESOS', docker: { image: 'nginx' }, linuxInfo: { seccomp: { unconfined: true } } } }, '/container/linuxInfo'],
    ['gpus', { gpus: 1 }, '/gpus'],
    ['secrets', { secrets: { a: { source: 'b' } } }, '/secrets'],
    ['ftp', { fetch: [{ uri: 'ftp://x/y' }] }, '/fetch(0)/uri'],
  ])('refuses what is not built yet, and says so: %s', async (_what, fields, path) => {
    const reply = await post({ id: '/x', cmd: 'sleep 1', ...fields });
    expect(reply.status).toBe(422);
    expect(reply.body.details).toEqual([{ path, errors: [expect.stringContaining('not supported yet')] }]);
  });

  it('refuses odd ids in paths of every method', async () => {
    for (const id of ['Shop', '../x', 'a/../b', '%2e%2e/x', 'a/%2E%2e/b', 'a_b', 'x'.repeat(2_000)]) {
      for (const method of ['PUT', 'PATCH', 'GET']) {
        const reply = await sendAsWritten(ekiden, method, `/v2/apps/${id}`, method === 'GET' ? '' : '{"cmd":"sleep 1"}');
        expect([id, method, reply.status]).toEqual([id, method, 422]);
      }
    }
    expect((await ekiden.get('/v2/apps')).body.apps).toHaveLength(1);
  });

  it('says which app, task, deployment or version does not exist', async () => {
    for (const [method, path] of [
      ['GET', '/v2/apps/nope'],
      ['DELETE', '/v2/apps/nope'],
      ['POST', '/v2/apps/nope/restart'],
      ['GET', '/v2/apps/nope/versions'],
      ['GET', '/ekiden/v1/why/nope'],
    ] as const) {
      const reply = await ekiden.send(method, path);
      expect([path, reply.status, reply.body]).toEqual([path, 404, { message: "App '/nope' does not exist", details: [] }]);
    }
    const version = await ekiden.get('/v2/apps/test/bystander/versions/2020-01-01T00:00:00.000Z');
    expect(version).toMatchObject({ status: 404, body: { message: expect.stringContaining('does not exist in version 2020-01-01T00:00:00.000Z') } });
    expect(await ekiden.send('PUT', '/v2/apps/test/bystander', { version: '2020-01-01T00:00:00.000Z' })).toMatchObject({ status: 404 });
    expect(await ekiden.get('/v2/apps/test/bystander/versions/yesterday')).toMatchObject({ status: 422 });
    expect(await ekiden.send('DELETE', '/v2/deployments/00000000-0000-4000-8000-000000000000')).toMatchObject({ status: 404 });
    expect(await ekiden.send('POST', '/v2/tasks/delete', { ids: ['nonsense'] })).toMatchObject({ status: 400 });
  });

  it('creates only what does not exist', async () => {
    const reply = await post({ id: '/test/bystander', cmd: 'sleep 1' });
    expect(reply).toMatchObject({ status: 409, body: { message: 'An app with id [/test/bystander] already exists.' } });
  });

  it.each([
    ['announced', { 'content-length': 50 * MIB }, 50 * MIB],
    ['in chunks', { 'transfer-encoding': 'chunked' }, 50 * MIB],
    ['without an end', { 'transfer-encoding': 'chunked' }, Infinity],
  ])('refuses a body of 50 MB: %s', async (_what, headers, total) => {
    const { status, body } = await sendLarge(ekiden, headers, total);
    expect([status, JSON.parse(body)]).toEqual([413, { message: expect.stringContaining('the body is larger than 4194304 bytes') }]);
  });

  it('refuses a PUT under a running deployment, names the deployment, and takes it by force', async () => {
    const waits = { id: '/test/locked', cmd: 'sleep 1000', cpus: 0.01, mem: 16, constraints: [['hostname', 'LIKE', 'nowhere']] };
    const first = await ekiden.send('PUT', '/v2/apps/test/locked', waits);
    expect(first.status).toBe(201);
    const refused = await ekiden.send('PUT', '/v2/apps/test/locked', { ...waits, cmd: 'sleep 2000' });
    expect(refused).toMatchObject({ status: 409, body: { message: expect.stringContaining('force=true'), deployments: [{ id: first.body.deploymentId }] } });
    expect((await ekiden.get('/v2/apps/test/locked')).body.app.cmd).toBe('sleep 1000');
    const forced = await ekiden.send('PUT', '/v2/apps/test/locked?force=true', { ...waits, cmd: 'exec sleep 3000', constraints: [] });
    expect(forced.status).toBe(200);
    await ekiden.settled('test/locked');
    expect((await ekiden.get('/v2/apps/test/locked')).body.app.cmd).toBe('exec sleep 3000');
    await remove('test/locked');
  });

  it('lets one of several PUTs at the same moment win, and runs exactly that one', async () => {
    // Nothing can be placed, so that every deployment is still there when the last PUT arrives.
    const placeless = { cpus: 0.01, mem: 16, constraints: [['hostname', 'LIKE', 'nowhere']] };
    const put = (count: number) => ekiden.send('PUT', '/v2/apps/test/twice', { ...placeless, cmd: `exec sleep ${1_000 + count}` });
    for (const { wanted, base } of [
      { wanted: 201, base: 0 },
      { wanted: 200, base: 10 },
    ]) {
      const replies = await Promise.all(Array.from({ length: 8 }, (_, index) => put(base + index)));
      const winners = replies.flatMap(({ status }, index) => (status < 300 ? [{ status, index }] : []));
      expect(winners).toEqual([{ status: wanted, index: expect.any(Number) }]);
      for (const { status, body } of replies) if (status >= 300) expect([status, body.deployments]).toEqual([409, [{ id: expect.any(String) }]]);
      const cmd = `exec sleep ${1_000 + base + (winners[0]?.index ?? -1)}`;
      expect((await ekiden.get('/v2/apps/test/twice')).body.app.cmd).toBe(cmd);
      expect((await ekiden.send('PUT', '/v2/apps/test/twice?force=true', { constraints: [] })).status).toBe(200);
      await ekiden.settled('test/twice');
      expect((await ekiden.tasks('test/twice')).map(({ state }) => state)).toEqual(['TASK_RUNNING']);
      expect(ekiden.taskProcesses().filter(({ taskId }) => taskId.startsWith('test_twice.'))).toHaveLength(1);
    }
    await remove('test/twice');
  });

  async function remove(id: string): Promise<void> {
    await ekiden.send('DELETE', `/v2/apps/${id}`);
    await eventually(`${id} is gone`, async () => (await ekiden.get('/v2/deployments')).body.length === 0);
  }
});

/** With the path as it is: `fetch` would take `..` out. */
function sendAsWritten(ekiden: Ekiden, method: string, path: string, body: string): Promise<{ status: number }> {
  return new Promise((resolve, reject) => {
    const headers = body === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const outgoing = request({ host: '127.0.0.1', port: ekiden.apiPort, method, path, headers, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve({ status: response.statusCode ?? 0 }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Writes until an answer comes or all is sent. */
function sendLarge(ekiden: Ekiden, headers: Record<string, string | number>, total: number): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const chunk = Buffer.alloc(MIB, 'x');
    let sent = 0;
    let isAnswered = false;
    const all = { 'content-type': 'application/json', ...headers };
    const outgoing = request(`${ekiden.api}/v2/apps`, { method: 'POST', headers: all, agent: false }, (response) => {
      isAnswered = true;
      let body = '';
      response.on('data', (data: Buffer) => (body += data.toString()));
      response.on('close', () => {
        resolve({ status: response.statusCode ?? 0, body });
        outgoing.destroy();
      });
    });
    // A server that has answered may hang up on what is still being sent.
    outgoing.on('error', (error) => (isAnswered ? undefined : reject(error)));
    const write = (): void => {
      if (isAnswered || outgoing.destroyed) return;
      if (sent >= total) return void outgoing.end();
      sent += MIB;
      outgoing.write(chunk, () => setImmediate(write));
    };
    write();
  });
}
