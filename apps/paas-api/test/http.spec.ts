/** Marathon's endpoints over real HTTP: status, shapes, headers and bad input. The core is a fake. */
import { openBench, type HttpBench } from './http-bench.js';

const WEB = { id: '/shop/web', cmd: 'sleep 1000', cpus: 0.1, mem: 32, labels: { tier: 'web' } };
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

let bench: HttpBench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

describe('creating and reading apps', () => {
  it('creates an app and shows it with its defaults', async () => {
    const created = await bench.send('POST', '/v2/apps', WEB);
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe(`${bench.url}/shop/web`);
    expect(created.headers.get('marathon-deployment-id')).toBe('d-1');
    expect(created.headers.get('content-type')).toBe('application/json');
    expect(created.body).toMatchObject({ id: '/shop/web', tasksRunning: 0, deployments: [{ id: 'd-1' }], version: expect.stringMatching(TIME) });
    const read = await bench.send('GET', '/v2/apps/shop/web');
    expect(read.body).toMatchObject({
      app: {
        id: '/shop/web',
        instances: 1,
        portDefinitions: [{ port: 10_000, name: 'default' }],
        versionInfo: { lastScalingAt: expect.stringMatching(TIME) },
        tasks: [],
        deployments: [],
      },
    });
    expect(read.headers.get('cache-control')).toBe('no-cache, no-store, must-revalidate');
    expect(read.headers.get('x-marathon-leader')).toBe('http://127.0.0.1:1');
  });

  it.each(['/v2/apps//shop/web', '/v2/apps/shop/web/', '/v2/apps/%2Fshop%2Fweb', '/v2/apps/shop%2Fweb'])('finds the same app at %s', async (path) => {
    await bench.send('POST', '/v2/apps', WEB);
    expect((await bench.send('GET', path)).body).toMatchObject({ app: { id: '/shop/web' } });
  });

  it('shows a change at once, though answers are kept', async () => {
    await bench.send('POST', '/v2/apps', WEB);
    await bench.send('GET', '/v2/apps/shop/web');
    await bench.send('GET', '/v2/apps');
    await bench.send('PUT', '/v2/apps/shop/web', { instances: 3 });
    expect((await bench.send('GET', '/v2/apps/shop/web')).body).toMatchObject({ app: { instances: 3, cmd: 'sleep 1000' } });
    expect((await bench.send('GET', '/v2/apps')).body).toMatchObject({ apps: [{ instances: 3 }] });
  });

  it('filters by id, cmd and label', async () => {
    await bench.send('POST', '/v2/apps', WEB);
    await bench.send('POST', '/v2/apps', { ...WEB, id: '/other', cmd: 'true && true', labels: {} });
    const ids = async (query: string) => {
      const { body } = await bench.send('GET', `/v2/apps?${query}`);
      return JSON.stringify(body).match(/"id":"(\/[a-z/]+)"/g);
    };
    expect(await ids('id=SHOP')).toEqual(['"id":"/shop/web"']);
    expect(await ids('cmd=sleep')).toEqual(['"id":"/shop/web"']);
    expect(await ids('label=tier%20in%20(web,%20db)')).toEqual(['"id":"/shop/web"']);
    expect((await bench.send('GET', '/v2/apps?label=%3D%3D')).status).toBe(422);
  });

  it('answers what is not there with 404 in Marathon’s form', async () => {
    expect(await bench.send('GET', '/v2/apps/nope')).toMatchObject({ status: 404, body: { message: "App '/nope' does not exist", details: [] } });
    expect(await bench.send('GET', '/v2/nope')).toMatchObject({ status: 404, body: { message: 'URI not found' } });
    expect(await bench.send('DELETE', '/v2/info')).toMatchObject({ status: 405 });
  });
});

describe('changing apps', () => {
  beforeEach(() => bench.send('POST', '/v2/apps', WEB));

  it('answers 201 for a new app and 200 for a known one', async () => {
    expect(await bench.send('PUT', '/v2/apps/shop/new', { cmd: 'sleep 1' })).toMatchObject({ status: 201, body: { deploymentId: 'd-2' } });
    expect(await bench.send('PUT', '/v2/apps/shop/web?force=True', { instances: 2 })).toMatchObject({ status: 200 });
    expect(bench.api.calls.at(-1)).toMatchObject({ args: [[{ partial: true, expect: 'any' }], { force: true }] });
    expect(await bench.send('PATCH', '/v2/apps/shop/none', { cmd: 'sleep 1' })).toMatchObject({ status: 404 });
    expect(await bench.send('POST', '/v2/apps', WEB)).toMatchObject({ status: 409, body: { message: 'An app with id [/shop/web] already exists.' } });
  });

  it('changes several apps at once, and takes none if one is bad', async () => {
    expect(
      await bench.send('PUT', '/v2/apps', [
        { id: '/shop/web', instances: 2 },
        { id: '/b', cmd: 'sleep 9' },
      ]),
    ).toMatchObject({ status: 200 });
    expect(await bench.send('PUT', '/v2/apps', [{ id: '/c', cmd: 'sleep 9' }, { id: '/d' }])).toMatchObject({ status: 422 });
    expect((await bench.send('GET', '/v2/apps/c')).status).toBe(404);
  });

  it('rolls back to a version, and refuses one that does not exist', async () => {
    const { body } = await bench.send('GET', '/v2/apps/shop/web/versions');
    const [version] = JSON.parse(JSON.stringify(body)).versions;
    expect(await bench.send('PUT', '/v2/apps/shop/web', { version })).toMatchObject({ status: 200, body: { deploymentId: 'd-2' } });
    expect(await bench.send('GET', `/v2/apps/shop/web/versions/${version}`)).toMatchObject({ status: 200, body: { id: '/shop/web', version } });
    expect(await bench.send('PUT', '/v2/apps/shop/web', { version: '2001-01-01T00:00:00.000Z' })).toMatchObject({ status: 404 });
    expect(await bench.send('PUT', '/v2/apps/shop/web', { version, instances: 2 })).toMatchObject({ status: 422 });
    expect(await bench.send('GET', '/v2/apps/shop/web/versions/yesterday')).toMatchObject({ status: 422 });
  });

  it('deletes with force unless told otherwise', async () => {
    await bench.send('DELETE', '/v2/apps/shop/web');
    expect(bench.api.calls.at(-1)).toMatchObject({ name: 'deleteApp', args: ['/shop/web', { force: true }] });
    expect((await bench.send('GET', '/v2/apps/shop/web')).status).toBe(404);
  });

  it('warns of what it left out', async () => {
    const answer = await bench.send('PUT', '/v2/apps/shop/web', { container: { type: 'MESOS' } });
    expect(answer.headers.get('warning')).toMatch(/^299 ekiden "container of type MESOS/);
  });

  it('accepts what it showed, as it showed it', async () => {
    const { body } = await bench.send('GET', '/v2/apps/shop/web');
    const { app } = JSON.parse(JSON.stringify(body));
    expect((await bench.send('POST', '/v2/apps', { ...app, id: '/shop/copy' })).status).toBe(201);
    expect((await bench.send('PUT', '/v2/apps/shop/web?partialUpdate=false', app)).status).toBe(200);
  });
});

describe('bad input', () => {
  it.each([
    ['no JSON', '{"id":', 400, { message: 'Invalid JSON', details: expect.any(String) }],
    ['nothing', ' ', 400, { message: 'Please specify data in JSON format' }],
    ['a list', [], 422, { message: 'Invalid JSON', details: [{ path: '', errors: ['error.expected.jsobject'] }] }],
    ['a text where a number is due', { id: '/a', cmd: 'sleep 1', cpus: '1' }, 422, { details: [{ path: '/cpus', errors: ['error.expected.jsnumber'] }] }],
    ['a command of 1 MB', { id: '/a', cmd: 'x'.repeat(1024 * 1024) }, 422, { details: [{ path: '/cmd' }] }],
    [
      'what is not built of images',
      { id: '/a', container: { type: 'MESOS', docker: { image: 'nginx' }, linuxInfo: {} } },
      422,
      { details: [{ path: '/container/linuxInfo' }] },
    ],
  ])('refuses %s', async (_what, body, status, shape) => {
    expect(await bench.send('POST', '/v2/apps', body)).toMatchObject({ status, body: shape });
  });

  it('refuses a body of 50 MB without reading it all', async () => {
    const answer = await bench.send('POST', '/v2/apps', { id: '/a', cmd: 'x'.repeat(50 * 1024 * 1024) }).catch(() => null);
    // The connection may be cut before the client has sent everything; what counts is that nothing was taken.
    expect(answer === null || answer.status === 413).toBe(true);
    expect(bench.api.calls).toEqual([]);
  });

  it('refuses other pages, other hosts and bodies that a form can send', async () => {
    expect(await bench.send('POST', '/v2/apps', WEB, { origin: 'http://evil.example' })).toMatchObject({ status: 403 });
    expect(await bench.send('POST', '/v2/apps', JSON.stringify(WEB), { 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
    expect(bench.api.calls).toEqual([]);
  });

  it('asks for the token where one is set', async () => {
    const guarded = await openBench({ policy: { allowedHosts: [], tokens: ['a-token-of-some-length'], contentTypes: [], openPaths: ['/ping'] } });
    expect(await guarded.send('GET', '/v2/apps')).toMatchObject({ status: 401, body: { message: expect.any(String) } });
    expect(await guarded.send('GET', '/ping')).toMatchObject({ status: 200 });
    expect(await guarded.send('GET', '/v2/apps', undefined, { authorization: 'Bearer a-token-of-some-length' })).toMatchObject({ status: 200 });
    await guarded.close();
  });
});

describe('the rest', () => {
  it('pings, informs, names the leader and counts', async () => {
    expect(await bench.send('GET', '/ping')).toMatchObject({ status: 200, text: 'pong' });
    expect((await bench.send('GET', '/v2/info')).body).toMatchObject({
      name: 'marathon',
      elected: true,
      marathon_config: { executor: '//cmd' },
      zookeeper_config: {},
      http_config: {},
    });
    expect((await bench.send('GET', '/v2/leader')).body).toEqual({ leader: '127.0.0.1:1' });
    expect((await bench.send('GET', '/v2/plugins')).body).toEqual({ plugins: [] });
    expect((await bench.send('GET', '/metrics')).body).toMatchObject({ version: '4.0.0', gauges: { 'marathon.apps.active.gauge': { value: 0 } } });
    expect((await bench.send('GET', '/metrics/prometheus')).text).toContain('test_http_requests_total');
  });

  // What draws the page is loaded by the first who asks for it.
  it('documents itself', async () => {
    expect((await bench.send('GET', '/docs-json')).body).toMatchObject({ openapi: '3.0.3', paths: { '/v2/apps': { post: {} } } });
    expect(await bench.send('GET', '/docs')).toMatchObject({ status: 200, text: expect.stringContaining('<div id="swagger-ui">') });
    expect((await bench.send('GET', '/docs/swagger-ui-bundle.js')).headers.get('content-type')).toContain('javascript');
  }, 60_000);

  it('gives up the lead when asked to, after the answer', async () => {
    expect(await bench.send('DELETE', '/v2/leader?backup=file:///x')).toMatchObject({ status: 422 });
    expect(await bench.send('DELETE', '/v2/leader')).toMatchObject({ status: 200, body: { message: 'Leadership abdicated', details: [] } });
    expect(bench.api.isLeading).toBe(true);
    while (bench.api.isLeading) await new Promise((resolve) => setImmediate(resolve));
    const nobody = await openBench({ leader: async () => null });
    expect(await nobody.send('DELETE', '/v2/leader')).toMatchObject({ status: 404, body: { message: 'There is no leader' } });
    await nobody.close();
  });

  it('sends JSON to nobody who excludes it, and text to who prefers it', async () => {
    await bench.send('POST', '/v2/apps', WEB);
    for (const path of ['/v2/apps', '/v2/apps/shop/web', '/v2/groups', '/v2/info', '/v2/tasks', '/v2/deployments', '/ekiden/v1/deployments'])
      expect(await bench.send('GET', path, undefined, { accept: 'text/plain' })).toMatchObject({ status: 406, body: { message: 'Not Acceptable' } });
    expect(await bench.send('POST', '/v2/apps', { ...WEB, id: '/x' }, { accept: 'application/xml' })).toMatchObject({ status: 406 });
    expect(await bench.send('GET', '/v2/apps/x')).toMatchObject({ status: 404 });
    expect(await bench.send('GET', '/v2/apps', undefined, { accept: 'text/html, */*;q=0.1' })).toMatchObject({ status: 200 });
    expect((await bench.send('GET', '/metrics', undefined, { accept: 'text/plain;q=0.9, */*;q=0.1' })).text).toContain('test_http_requests_total');
    expect(await bench.send('GET', '/docs', undefined, { accept: 'text/html' })).toMatchObject({ status: 200 });
  });

  it('says that there are no pods to who probes for them', async () => {
    for (const method of ['HEAD', 'GET', 'DELETE']) expect(await bench.send(method, '/v2/pods')).toMatchObject({ status: 404 });
    expect(await bench.send('GET', '/v2/pods/shop/web::status')).toMatchObject({ status: 404 });
    expect(await bench.send('POST', '/v2/pods', { id: '/x' })).toMatchObject({ status: 422 });
  });

  it('gives the old web UI the whole tree with all that it shows', async () => {
    await bench.send('POST', '/v2/apps', WEB);
    await bench.send('POST', '/v2/apps', { ...WEB, id: '/top' });
    const embeds = ['group.groups', 'group.apps', 'group.apps.deployments', 'group.apps.counts', 'group.apps.readiness'];
    const { body } = await bench.send('GET', `/v2/groups?${embeds.map((name) => `embed=${name}`).join('&')}`);
    const app = {
      instances: 1,
      cpus: 0.1,
      mem: 32,
      labels: { tier: 'web' },
      tasksRunning: 0,
      tasksHealthy: 0,
      tasksUnhealthy: 0,
      tasksStaged: 0,
      deployments: [],
      readinessCheckResults: [],
      version: expect.stringMatching(TIME),
    };
    expect(body).toMatchObject({
      id: '/',
      version: expect.stringMatching(TIME),
      apps: [{ id: '/top', ...app }],
      groups: [{ id: '/shop', version: expect.stringMatching(TIME), apps: [{ id: '/shop/web', ...app }], groups: [] }],
    });
  });

  it('shows groups as a tree, and refuses to change them', async () => {
    await bench.send('POST', '/v2/apps', WEB);
    expect((await bench.send('GET', '/v2/groups')).body).toMatchObject({
      id: '/',
      apps: [],
      groups: [{ id: '/shop', apps: [{ id: '/shop/web' }], enforceRole: false }],
    });
    expect(await bench.send('POST', '/v2/groups', { id: '/x' })).toMatchObject({ status: 422 });
    expect((await bench.send('GET', '/v2/apps/shop/*')).body).toMatchObject({ '*': [{ id: '/shop/web' }] });
  });

  it('previews without storing', async () => {
    expect(await bench.send('POST', '/ekiden/v1/preview', WEB)).toMatchObject({ status: 200, body: { apps: [{ appId: '/shop/web', action: 'create' }] } });
    expect((await bench.send('GET', '/v2/apps/shop/web')).status).toBe(404);
  });

  it('says why, lists deployments and refuses contradictions', async () => {
    await bench.send('POST', '/v2/apps', WEB);
    expect((await bench.send('GET', '/ekiden/v1/why/shop/web')).body).toMatchObject({ appId: '/shop/web', summary: expect.any(String), queue: null });
    expect((await bench.send('GET', '/ekiden/v1/deployments?app=/shop/web')).body).toEqual({ deployments: [] });
    expect((await bench.send('GET', '/ekiden/v1/apps/shop/web/images')).body).toMatchObject({ appId: '/shop/web', image: null, digest: null });
    expect((await bench.send('GET', '/ekiden/v1/apps/shop/none/images')).status).toBe(404);
    expect(await bench.send('DELETE', '/v2/apps/shop/web/tasks?scale=true&wipe=true')).toMatchObject({ status: 400 });
    expect(await bench.send('DELETE', '/v2/apps/shop/web/tasks/shop_web.instance-1._app.1')).toMatchObject({ status: 404 });
    expect(await bench.send('POST', '/v2/tasks/delete', { ids: ['nodots'] })).toMatchObject({ status: 400 });
    expect(await bench.send('DELETE', '/v2/queue/shop/web/delay')).toMatchObject({ status: 404 });
    expect(await bench.send('DELETE', '/v2/deployments/d-9')).toMatchObject({ status: 404, body: { message: 'DeploymentPlan d-9 does not exist' } });
  });

  it('does not lead: pings by itself, redirects streams, forwards the rest', async () => {
    await bench.send('POST', '/v2/apps', WEB);
    const standby = await openBench({ leader: async () => ({ address: bench.url.slice('http://'.length) }) });
    standby.api.isLeading = false;
    expect((await standby.send('GET', '/ping')).text).toBe('pong');
    const forwarded = await standby.send('PUT', '/v2/apps/shop/web', { instances: 7 });
    expect(forwarded).toMatchObject({ status: 200 });
    expect(forwarded.headers.get('x-marathon-via')).toBe('1.1 127.0.0.1:1');
    expect((await bench.send('GET', '/v2/apps/shop/web')).body).toMatchObject({ app: { instances: 7 } });
    expect(standby.api.calls).toEqual([]);
    const redirected = await standby.send('GET', '/v2/events?event_type=x', undefined, { accept: 'text/event-stream' });
    expect(redirected).toMatchObject({ status: 302 });
    expect(redirected.headers.get('location')).toBe(`${bench.url}/v2/events?event_type=x`);
    await standby.close();
    const alone = await openBench({ leader: async () => null });
    alone.api.isLeading = false;
    expect(await alone.send('GET', '/v2/apps')).toMatchObject({ status: 503 });
    for (const method of ['GET', 'DELETE'])
      expect(await alone.send(method, '/v2/leader')).toMatchObject({ status: 404, body: { message: 'There is no leader', details: [] } });
    await alone.close();
  });
});
