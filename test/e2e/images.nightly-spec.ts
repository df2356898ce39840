/**
 * Apps that are images, through the whole of Ekiden: a real registry, real containers, an agent that dies, and what people are told when
 * it does not work.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry, type LocalRegistry } from '../../libs/isolation/test/local-registry.js';
import { Ekiden, eventually } from './ekiden.js';
import { failureOf, page } from './image-apps.js';
import { joinAgent, LonePart, onAgent } from './lone-part.js';
import { memoryLimit } from './memory-limit.js';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;
/** One failure is enough: the next launch is minutes away. */
const SMALL = { cpus: 0.05, mem: 32, backoffSeconds: 300 };
/** Of each agent that runs images. */
const AGENT_CPUS = '2';
/** No three of them fit on one agent. */
const LARGE = { ...SMALL, cpus: 0.8 };
const SERVE = 'echo "hello $GREETING from $MESOS_SANDBOX" >/tmp/index.html; exec httpd -f -p $HOST:$PORT0 -h /tmp';
const CHECKED = { healthChecks: [{ protocol: 'HTTP', path: '/index.html', portIndex: 0, intervalSeconds: 1, gracePeriodSeconds: 60 }] };

let ekiden: Ekiden;
let registry: LocalRegistry;
let image: string;
let shared: string;

beforeAll(async () => {
  registry = await startRegistry();
  image = registry.push('busybox:v1', ['--config.env', 'GREETING=image', '--config.entrypoint', '/bin/sh', '--config.entrypoint', '-c', '--config.cmd', SERVE]);
  ekiden = await Ekiden.start({ args: ['--agent-cpus', AGENT_CPUS] });
  shared = join(ekiden.dataDir, 'shared');
  mkdirSync(shared);
  writeFileSync(join(shared, 'index.html'), 'from the machine\n');
  await joinAgent(ekiden, 'open', join(ekiden.dataDir, 'open'), [
    '--cpus',
    AGENT_CPUS,
    '--allow-volumes',
    shared,
    '--disk-policy',
    'kill',
    '--disk-check-ms',
    '200',
  ]);
  await joinAgent(ekiden, 'bare', join(ekiden.dataDir, 'bare'), ['--runtime', 'process', '--image-runtime', 'oci']);
});
afterAll(async () => {
  for (const app of (await ekiden.get('/v2/apps')).body.apps) await ekiden.send('DELETE', `/v2/apps/${app.id}?force=true`);
  await eventually('no task is left', async () => (await ekiden.get('/v2/tasks')).body.tasks.length === 0);
  await LonePart.endAll();
  await ekiden.end();
  await registry.close();
});

const docker = (name: string, more: object = {}, beside: object = {}): object => ({
  container: { type: 'DOCKER', docker: { image: name, ...more }, ...beside },
});

it('runs what the image says, healthy, through the death of the agent, and leaves nothing', async () => {
  await ekiden.deploy({ id: '/img/own', ...SMALL, ...docker(image), ...CHECKED, constraints: [['test', 'UNLIKE', 'bare|open']] });
  const [task] = await ekiden.tasks('/img/own');
  expect(await page(task)).toBe('hello image from /mnt/mesos/sandbox\n');
  await ekiden.kill('agent');
  expect(await page(task)).toBe('hello image from /mnt/mesos/sandbox\n');
  await eventually('the agent is back', () => ekiden.parts('agent').length === 1);
  await ekiden.settled('/img/own');
  expect((await ekiden.tasks('/img/own'))[0].id).toBe(task.id);
  await ekiden.send('DELETE', '/v2/apps//img/own?force=true');
  await eventually(
    'the page is gone',
    async () =>
      await page(task).then(
        () => false,
        () => true,
      ),
  );
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(ekiden.dataDir);
});

it('runs each instance once, although its agent is killed in the middle of its launch', async () => {
  const fresh = registry.push('busybox:killed', [
    '--config.env',
    'GREETING=twice',
    '--config.entrypoint',
    '/bin/sh',
    '--config.entrypoint',
    '-c',
    '--config.cmd',
    SERVE,
  ]);
  const app = { id: '/img/killed', ...SMALL, backoffSeconds: 0, instances: 4, ...docker(fresh), ...CHECKED, constraints: [['test', 'UNLIKE', 'bare|open']] };
  expect((await ekiden.send('PUT', '/v2/apps//img/killed', app)).status).toBeLessThan(300);
  await eventually('a launch is under way', async () => (await ekiden.tasks('/img/killed')).some(({ state }) => state !== 'TASK_RUNNING'));
  await ekiden.kill('agent');
  await ekiden.settled('/img/killed');
  const tasks = await ekiden.tasks('/img/killed');
  expect(await Promise.all(tasks.map(page))).toEqual(Array.from({ length: 4 }, () => 'hello twice from /mnt/mesos/sandbox\n'));
  const ours = new Set(tasks.map((task) => task.id.split('._app.')[0]));
  const running = new Set(ekiden.taskProcesses().flatMap(({ taskId }) => (ours.has(taskId.split('._app.')[0]) ? [taskId] : [])));
  expect(running).toEqual(new Set(tasks.map(({ id }) => id)));
});

it('gets another size in place, whoever is killed in the middle of it, and is replaced where it holds more', async () => {
  const id = '/img/resized';
  const hold = `dd if=/dev/zero of=/dev/shm/held bs=1M count=30; ${SERVE}`;
  const app = { id, ...SMALL, mem: 64, cmd: hold, ...docker(image), ...CHECKED, resizeInPlace: true, constraints: [['test', 'UNLIKE', 'bare|open']] };
  const put = async (mem: number, cpus = 0.1): Promise<void> => {
    const change = { ...app, mem, cpus, progressDeadlineSeconds: 3600 };
    expect((await ekiden.send('PUT', `/v2/apps/${id}?force=true`, change)).status).toBeLessThan(300);
  };
  await ekiden.deploy(app);
  const [task] = await ekiden.tasks(id);
  const pids = (): number[] => ekiden.taskProcesses().flatMap(({ pid, taskId }) => (taskId === task.id ? [pid] : []));
  const hasLimit = (mem: number) => (): boolean => pids().length > 0 && pids().every((pid) => memoryLimit(pid) === mem * MIB);
  const before = pids();
  expect(hasLimit(64)()).toBe(true);
  for (const [part, mem] of [
    [null, 128],
    ['agent', 96],
    ['master', 112],
    ['api', 80],
  ] as const) {
    await put(mem);
    if (part !== null) await ekiden.kill(part);
    await eventually(`it has ${mem} MiB${part === null ? '' : ` after the death of the ${part}`}`, hasLimit(mem));
    await eventually('the API answers again', async () => (await ekiden.get(`/v2/apps/${id}`)).status === 200);
    await ekiden.settled(id);
    expect(pids()).toEqual(before);
  }
  expect((await ekiden.tasks(id))[0].id).toBe(task.id);
  await put(16);
  await eventually('it is said why', async () => /holds \d+ MiB of memory/.test(JSON.stringify((await ekiden.get(`/ekiden/v1/why/${id}`)).body)));
  await ekiden.send('DELETE', `/v2/apps/${id}?force=true`);
});

it('runs a command of the app in the image, in both types, with its own environment and user', async () => {
  const app = { ...SMALL, cmd: SERVE, env: { GREETING: 'app' }, ...CHECKED };
  await ekiden.deploy({ id: '/img/docker', ...app, ...docker(image, { forcePullImage: true }) });
  await ekiden.deploy({ id: '/img/mesos', ...app, container: { type: 'MESOS', docker: { image } } });
  for (const id of ['/img/docker', '/img/mesos']) expect(await page((await ekiden.tasks(id))[0])).toBe('hello app from /mnt/mesos/sandbox\n');
});

it('runs one image in all tasks of a version, wherever they come up and whatever its tag means by then, until a restart asks anew', async () => {
  const push = (greeting: string): string =>
    registry.push('moving:v1', ['--config.env', `GREETING=${greeting}`, '--config.cmd', '/bin/sh', '--config.cmd', '-c', '--config.cmd', SERVE]);
  const says = async (): Promise<readonly string[]> => await Promise.all((await ekiden.tasks('/img/moving')).map(page));
  const digests = async (): Promise<readonly string[]> => {
    const { body } = await ekiden.get('/ekiden/v1/apps//img/moving/images');
    expect(body.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    return [body.digest, ...body.tasks.map(({ digest }: { digest: string }) => digest)];
  };
  const app = {
    ...LARGE,
    ...docker(push('old')),
    ...CHECKED,
    constraints: [['test', 'UNLIKE', 'bare']],
    upgradeStrategy: { minimumHealthCapacity: 0, maximumOverCapacity: 1 },
  };
  await ekiden.deploy({ id: '/img/moving', ...app });
  expect(await says()).toEqual(['hello old from /mnt/mesos/sandbox\n']);
  const [old] = await digests();
  push('new');
  await ekiden.deploy({ id: '/img/moving', ...app, instances: 3 });
  expect(new Set((await ekiden.tasks('/img/moving')).map(({ slaveId }) => slaveId)).size).toBe(2);
  expect(await says()).toEqual(Array.from({ length: 3 }, () => 'hello old from /mnt/mesos/sandbox\n'));
  expect(await digests()).toEqual(Array.from({ length: 4 }, () => old));
  expect(ekiden.cli('app', '/img/moving').out).toContain(`moving:v1, ${old}`);
  const { body } = await ekiden.get('/v2/apps//img/moving/versions');
  expect((await ekiden.send('POST', '/v2/apps//img/moving/restart')).status).toBe(200);
  await ekiden.settled('/img/moving');
  expect(await says()).toEqual(Array.from({ length: 3 }, () => 'hello new from /mnt/mesos/sandbox\n'));
  const now = await digests();
  expect(new Set(now).size).toBe(1);
  expect(now[0]).not.toBe(old);
  expect(ekiden.cli('rollback', '/img/moving', '--to', body.versions[0]).code).toBe(0);
  await ekiden.settled('/img/moving');
  expect(await says()).toEqual(Array.from({ length: 3 }, () => 'hello old from /mnt/mesos/sandbox\n'));
});

it('checks health by a command inside of the image', async () => {
  const check = { protocol: 'COMMAND', intervalSeconds: 1, gracePeriodSeconds: 60, timeoutSeconds: 10 };
  const sees = 'test "$GREETING" = image && test -e /tmp/index.html && test ! -e /usr/bin/env';
  await ekiden.deploy({ id: '/img/check', ...SMALL, ...docker(image), healthChecks: [{ ...check, command: { value: sees } }] });
  const [task] = await ekiden.tasks('/img/check');
  expect(task.healthCheckResults).toMatchObject([{ alive: true }]);
});

it('takes options of docker run, and those that loosen rights only where the operator allows them', async () => {
  const parameters = [
    { key: 'hostname', value: 'web-1' },
    { key: 'entrypoint', value: '/bin/sh' },
    { key: 'workdir', value: '/tmp' },
    { key: 'env', value: 'GREETING=parameter' },
  ];
  const args = ['-c', '{ hostname; pwd; echo $GREETING; } >index.html; exec httpd -f -p $HOST:$PORT0 -h /tmp'];
  await ekiden.deploy({ id: '/img/options', ...SMALL, args, ...docker(image, { parameters }), ...CHECKED });
  expect(await page((await ekiden.tasks('/img/options'))[0])).toBe('web-1\n/tmp\nparameter\n');
  const loose = docker(image, { parameters: [{ key: 'cap-add', value: 'SYS_ADMIN' }] });
  expect(await failureOf(ekiden, '/img/loose', { ...SMALL, ...loose })).toContain('--allow-capabilities SYS_ADMIN');
});

it('mounts what the operator allows', async () => {
  const volumes = [{ containerPath: '/tmp', hostPath: shared, mode: 'RO' }];
  await ekiden.deploy({
    id: '/img/volume',
    ...SMALL,
    cmd: 'exec httpd -f -p $HOST:$PORT0 -h /tmp',
    ...docker(image, {}, { volumes }),
    ...CHECKED,
    ...onAgent('open'),
  });
  expect(await page((await ekiden.tasks('/img/volume'))[0])).toBe('from the machine\n');
});

it.each([
  ['an image that does not exist', () => docker(`${registry.address}/nothing:v1`), 'manifest unknown'],
  ['a mount of /etc', () => docker(image, {}, { volumes: [{ containerPath: '/x', hostPath: '/etc', mode: 'RO' }] }), '--allow-volumes'],
  ['the socket of an engine', () => docker(image, {}, { volumes: [{ containerPath: '/x', hostPath: '/var/run/docker.sock', mode: 'RW' }] }), '--allow-volumes'],
  ['privileges', () => docker(image, { privileged: true }), '--allow-privileged'],
  [
    'a user of the image that is not there',
    () => docker(registry.push('nobody:v1', ['--config.user', 'ghost', '--config.cmd', '/bin/true'])),
    'no user "ghost"',
  ],
  ['an image without a command', () => docker(registry.push('empty:v1', [])), 'neither entrypoint nor command'],
])('says why it fails: %s', async (_, app, why) => {
  expect(await failureOf(ekiden, `/img/f${why.replaceAll(/\W/g, '').slice(0, 20).toLowerCase()}`, { ...SMALL, ...app() })).toContain(why);
});

it('is stopped for what it writes beside its sandbox', async () => {
  const app = { ...docker(image), ...onAgent('open'), disk: 8, cmd: 'dd if=/dev/zero of=/big bs=1M count=20; sleep 1000' };
  expect(await failureOf(ekiden, '/img/disk', { ...SMALL, ...app })).toContain('Disk usage');
});

it('is not placed where no image runs, and says so', async () => {
  await ekiden.send('PUT', '/v2/apps//img/nowhere', { id: '/img/nowhere', ...SMALL, ...docker(image), ...onAgent('bare') });
  await eventually(
    'why says so',
    async () =>
      JSON.stringify((await ekiden.get('/ekiden/v1/why?app=/img/nowhere')).body).includes('images need the cgroup runtime') ||
      ekiden.cli('why', '/img/nowhere').out.includes('images need the cgroup runtime'),
  );
});

it('refuses what is not built at the API', async () => {
  const reply = await ekiden.send('PUT', '/v2/apps//img/secret', { id: '/img/secret', ...SMALL, ...docker(image, { pullConfig: { secret: 'x' } }) });
  expect(reply.status).toBe(422);
  expect(JSON.stringify(reply.body)).toContain('/container/docker/pullConfig');
});
