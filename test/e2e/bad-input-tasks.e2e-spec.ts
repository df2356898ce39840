/**
 * Bad input that only a running task shows: commands, users and fetches that cannot work, and processes that misbehave. Each
 * ends with its reason in `lastTaskFailure` or is ended by force, and nothing else suffers.
 *
 * A task writes 200 MB to stdout here, and not 1 GB: the bound is the same, and the machine of the tests is small.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createNetServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { tarGz, zip, type Entry } from './archives.js';
import { Bystander } from './bystander.js';
import { Ekiden, eventually, type AnyJson } from './ekiden.js';
import { joinAgent, LonePart, onAgent } from './lone-part.js';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;
/** Of those that the agent of these tests offers. */
const STRICT_PORT = 29_050;
/** One failure is enough: the next launch is minutes away. */
const ONCE = { backoffSeconds: 300, cpus: 0.01, mem: 32 };

const escapes: Record<string, readonly Entry[]> = {
  'through ../': [
    { path: 'harmless', content: 'x' },
    { path: '../../../evil', content: 'x' },
  ],
  'by an absolute path': [{ path: '/tmp/ekiden-evil', content: 'x' }],
  'through a link to ..': [
    { path: 'out', link: '../../..' },
    { path: 'out/evil', content: 'x' },
  ],
  'through an absolute link': [
    { path: 'out', link: '/tmp' },
    { path: 'out/ekiden-evil', content: 'x' },
  ],
  'through a link over a link': [
    { path: 'deep/here', link: '.' },
    { path: 'deep/out', link: 'here/../..' },
    { path: 'deep/out/evil', content: 'x' },
  ],
};

describe('bad input at run time', () => {
  let ekiden: Ekiden;
  let bystander: Bystander;
  let web: Server;
  let webUrl: string;
  let strictDir: string;
  let endlessBytes = 0;
  let drip: NodeJS.Timeout;

  beforeAll(async () => {
    web = createServer(serve);
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    webUrl = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    ekiden = await Ekiden.start();
    strictDir = join(ekiden.dataDir, 'strict');
    await joinAgent(ekiden, 'strict', strictDir, [
      '--fetch-max-mib',
      '4',
      '--fetch-stall-ms',
      '4000',
      '--allow-user',
      '*',
      '--log-max-mib',
      '1',
      '--log-keep',
      '2',
    ]);
    bystander = await Bystander.deploy(ekiden);
  });
  afterEach(() => bystander.isUnharmed());
  afterAll(async () => {
    web.closeAllConnections();
    web.close();
    await LonePart.endAll();
    await ekiden?.end();
  });

  const serve: RequestListener = ({ url = '/' }, response) => {
    if (url === '/round') return void response.writeHead(302, { location: '/round' }).end();
    if (url === '/other-protocol') return void response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    if (url === '/small') return void response.writeHead(200).end('hello');
    if (url === '/stalls') {
      response.writeHead(200, { 'content-length': 2 * MIB }).write(Buffer.alloc(MIB));
      drip = setInterval(() => response.write('x'), 500);
      return;
    }
    if (url === '/announced-huge') return void response.writeHead(200, { 'content-length': 1e12 }).write('x');
    if (url === '/endless.bin') {
      const write = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024))) endlessBytes += 64 * 1024;
      };
      response.writeHead(200).on('drain', write);
      return write();
    }
    const [, kind, name = ''] = url.split('/').map(decodeURIComponent);
    const entries = escapes[name.replace(/\.(tar\.gz|zip)$/, '')];
    if (kind !== 'archives' || entries === undefined) return void response.writeHead(404).end('not here');
    response.writeHead(200).end(name.endsWith('.zip') ? zip(entries) : tarGz(entries));
  };

  /** Deploys an app that cannot run, and answers what its failure says. */
  async function failureOf(app: Record<string, unknown>): Promise<AnyJson> {
    const reply = await ekiden.send('PUT', '/v2/apps/test/bad', { id: '/test/bad', ...ONCE, ...onAgent('strict'), ...app });
    expect(reply.status).toBe(201);
    let failure: AnyJson = null;
    await eventually('the failure is there', async () => {
      failure = (await ekiden.get('/v2/apps/test/bad')).body.app.lastTaskFailure ?? null;
      return failure !== null;
    });
    await remove('test/bad');
    return failure;
  }

  async function remove(id: string): Promise<void> {
    await ekiden.send('DELETE', `/v2/apps/${id}`);
    await eventually(`${id} is gone`, async () => (await ekiden.get('/v2/deployments')).body.length === 0 && tasksOf(id).length === 0);
  }

  const tasksOf = (id: string) => ekiden.taskProcesses().filter(({ taskId }) => taskId.startsWith(`${id.replaceAll('/', '_')}.`));

  describe('fetch', () => {
    const fetching = (uri: string) => failureOf({ cmd: 'sleep 1000', fetch: [{ uri }] });

    it.each([
      ['is not there', '/missing', /cannot fetch .*\/missing: the server answered 404/],
      ['announces more than is allowed', '/announced-huge', /1000000000000 bytes, at most 4194304/],
      ['redirects for ever', '/round', /redirects more than 5 times/],
      ['redirects to a file', '/other-protocol', /leads to file:/],
    ])('fails when the URI %s', async (_what, path, message) => {
      expect(await fetching(webUrl + path)).toMatchObject({ state: 'TASK_FAILED', message: expect.stringMatching(message) });
    });

    it('cuts off a download without an end', async () => {
      expect((await fetching(`${webUrl}/endless.bin`)).message).toMatch(/more than 4194304 bytes/);
      expect(endlessBytes).toBeLessThan(64 * MIB);
    });

    it('fails when nobody listens', async () => {
      expect((await fetching('http://127.0.0.1:1/x')).message).toMatch(/cannot fetch http:\/\/127.0.0.1:1\/x: .*ECONNREFUSED/);
    });

    it('fails with both digests when the bytes are not what the app says', async () => {
      const failure = await failureOf({ cmd: 'sleep 1000', fetch: [{ uri: `${webUrl}/small`, sha256: 'ab'.repeat(32) }] });
      expect(failure.message).toMatch(/its sha256 is 2cf24dba[0-9a-f]{56}, but the app says (ab){32}/);
    });

    it('shows how far it is, and fails with the reason when the server stalls', async () => {
      await ekiden.send('PUT', '/v2/apps/test/slow', {
        id: '/test/slow',
        ...ONCE,
        ...onAgent('strict'),
        cmd: 'sleep 1000',
        fetch: [{ uri: `${webUrl}/stalls` }],
      });
      await eventually('it says how far it is', async () => ekiden.cli('why', '/test/slow').out.includes('stalls: 1.0 of 2.0 MiB'));
      clearInterval(drip);
      await eventually('it fails', async () => {
        const failure = (await ekiden.get('/v2/apps/test/slow')).body.app.lastTaskFailure ?? null;
        return failure !== null && /nothing came for 4000 ms; 10485\d\d of 2097152 bytes had come/.test(failure.message);
      });
      await remove('test/slow');
    });

    it('refuses file: unless the operator has opened directories', async () => {
      expect((await fetching('file:///etc/hostname')).message).toMatch(/file: is off on this agent/);
    });

    it.each(Object.keys(escapes).flatMap((name) => [`${name}.tar.gz`, `${name}.zip`]))('refuses an archive that leaves the sandbox %s', async (name) => {
      expect((await fetching(`${webUrl}/archives/${encodeURIComponent(name)}`)).message).toMatch(
        /leads? out of the sandbox|invalid relative path|absolute path/,
      );
      const outside = [strictDir, join(strictDir, 'tasks'), ekiden.dataDir, '/tmp'].filter((dir) => existsSync(join(dir, 'evil')));
      expect(outside).toEqual([]);
      expect(existsSync('/tmp/ekiden-evil')).toBe(false);
      for (const task of readdirSync(join(strictDir, 'tasks'))) expect(readdirSync(join(strictDir, 'tasks', task))).not.toContain('evil');
    });
  });

  it('says that a stranger holds its port', async () => {
    const stranger = createNetServer();
    await new Promise<void>((resolve) => stranger.listen(STRICT_PORT, '0.0.0.0', resolve));
    try {
      const failure = await failureOf({ cmd: 'sleep 1000', requirePorts: true, portDefinitions: [{ port: STRICT_PORT }] });
      expect(failure.message).toMatch(new RegExp(`port ${STRICT_PORT}/tcp is taken by a process that is no task of this agent`));
    } finally {
      stranger.close();
    }
  });

  it('says that a user does not exist', async () => {
    expect(await failureOf({ cmd: 'sleep 1000', user: 'nobody-of-that-name' })).toMatchObject({
      message: expect.stringMatching(/no user "nobody-of-that-name"/),
    });
  });

  it('says that a user is not allowed where the operator allows none', async () => {
    const failure = await failureOf({ cmd: 'sleep 1000', user: 'nobody', constraints: [['test', 'UNLIKE', 'strict']] });
    expect(failure.message).toMatch(/"nobody" is not allowed on this agent/);
  });

  it.each([
    ['in a shell', { cmd: '/no/such/program --now' }],
    ['as argv', { args: ['/no/such/program', '--now'] }],
    ['by a name that is nowhere in PATH', { args: ['no-such-program-at-all'] }],
  ])('says that a command does not exist: %s', async (_what, command) => {
    const failure = await failureOf(command);
    expect(failure).toMatchObject({ state: 'TASK_FAILED', appId: '/test/bad', host: '127.0.0.1' });
    expect(failure.message).toMatch(/status 127: .*not found/);
  });

  it('says that a command cannot be executed', async () => {
    expect((await failureOf({ args: ['/etc/hostname'] })).message).toMatch(/status 12[67]: .*cannot be executed/);
  });

  it('says with which status a command ended', async () => {
    expect((await failureOf({ cmd: 'exit 42' })).message).toMatch(/\b42\b/);
  });

  it('ends by force what ignores SIGTERM, and not before its grace is over', async () => {
    const cmd = "trap '' TERM; echo armed; while :; do sleep 0.1; done";
    await ekiden.deploy({ id: '/test/stubborn', cmd, taskKillGracePeriodSeconds: 2, ...ONCE });
    const [task] = await ekiden.tasks('test/stubborn');
    await eventually('it ignores SIGTERM', async () => (await ekiden.get(`/ekiden/v1/tasks/${task.id}/logs/stdout`)).body.data === 'armed\n');
    const began = Date.now();
    await ekiden.send('DELETE', '/v2/apps/test/stubborn');
    await eventually('its processes are gone', () => ekiden.taskProcesses().every(({ taskId }) => taskId !== task.id));
    expect(Date.now() - began).toBeGreaterThan(1_900);
    await remove('test/stubborn');
  });

  it('leaves nothing of a task that forks away', async () => {
    await ekiden.deploy({ id: '/test/daemons', cmd: 'setsid sleep 86411 & (setsid sh -c "sleep 86412 & sleep 86413" &) ; exec sleep 86414', ...ONCE });
    await eventually('it has forked', () => commandsWith('sleep 8641').length === 4);
    await remove('test/daemons');
    await eventually('nothing is left', () => commandsWith('sleep 8641').length === 0);
  });

  it('leaves nothing of a task that forks away, ends, and hides its environment', async () => {
    const isHeld = readFileSync(join(ekiden.dataDir, 'logs/agent-1.log'), 'utf8').includes('"runtime":"cgroup"');
    if (!isHeld) return console.log('skipped: only the cgroup runtime knows a process that has left its session and its environment');
    await failureOf({ cmd: 'env -i setsid sleep 86421 & env -i setsid sleep 86422 & exit 3' });
    await eventually('nothing is left', () => commandsWith('sleep 8642').length === 0);
  });

  it('bounds what a task writes to stdout', async () => {
    const cmd = 'yes "$(printf %1000s x)" | head -c 200000000; echo; echo the end; exec sleep 100000';
    await ekiden.deploy({ id: '/test/chatty', cmd, ...ONCE, cpus: 1, ...onAgent('strict') });
    const [task] = await ekiden.tasks('test/chatty');
    const sandbox = join(strictDir, 'tasks', task.id, 'sandbox');
    const logs = (): string[] => readdirSync(sandbox).filter((name) => name.startsWith('stdout'));
    const sizes = (): number[] => logs().map((name) => statSync(join(sandbox, name)).size);
    const hasTheEnd = (name: string): boolean => readFileSync(join(sandbox, name)).subarray(-20).toString().includes('the end');
    await eventually('all is written and rotated', () => statSync(join(sandbox, 'stdout')).size < MIB && logs().some(hasTheEnd) && logs().length > 1);
    expect(sizes().reduce((sum, size) => sum + size, 0)).toBeLessThan(20 * MIB); // two pieces of at most 8 times 1 MiB, and what is written now
    const piece = await ekiden.get(`/ekiden/v1/tasks/${task.id}/logs/stdout?offset=0`);
    expect(piece.status).toBe(200);
    expect(await ekiden.tasks('test/chatty')).toMatchObject([{ id: task.id, state: 'TASK_RUNNING' }]);
    await remove('test/chatty');
  });

  it('bounds what a task has written that ended at once, and keeps its last words', async () => {
    const { taskId } = await failureOf({ cmd: 'yes "$(printf %1000s x)" | head -c 200000000; echo; echo the end; exit 1', cpus: 1 });
    const stdout = join(strictDir, 'tasks', taskId, 'sandbox/stdout');
    await eventually('it is cut', () => statSync(stdout).size <= 4 * MIB);
    await eventually('the end is kept', () => readFileSync(stdout).subarray(-20).toString().endsWith('\nthe end\n'));
  });
});

/** Processes of this machine whose command line contains this. */
function commandsWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.startsWith(text);
      } catch {
        return false; // It ended meanwhile.
      }
    })
    .map(Number);
}
