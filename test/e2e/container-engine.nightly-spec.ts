/** Apps that are images on an agent with a container engine: pulled, run, watched, stopped; the agent dies, the engine dies, nothing is left. */
import { createServer } from 'node:net';
import { join } from 'node:path';
import { inOwnNetwork } from '../../libs/isolation/test/own-network.js';
import { type OwnEngine, openOwnEngine } from '../../libs/isolation/test/own-engine.js';
import { startRegistry, type LocalRegistry } from '../../libs/isolation/test/local-registry.js';
import { Ekiden, eventually, freePorts } from './ekiden.js';
import { failureOf, page } from './image-apps.js';
import { joinAgent, LonePart, onAgent } from './lone-part.js';

jest.setTimeout(180_000);

inOwnNetwork(__filename, () => {
  const SMALL = { cpus: 0.05, mem: 32, backoffSeconds: 300 };
  const SERVE = 'echo "hello $GREETING from $MESOS_SANDBOX" >/tmp/index.html; exec httpd -f -p $HOST:$PORT0 -h /tmp';
  const CHECKED = { healthChecks: [{ protocol: 'HTTP', path: '/index.html', portIndex: 0, intervalSeconds: 1, gracePeriodSeconds: 60 }] };

  let ekiden: Ekiden;
  let engine: OwnEngine;
  let registry: LocalRegistry;
  let agent: LonePart;
  let image: string;
  let port: number;

  const joinEngine = (): Promise<LonePart> =>
    joinAgent(ekiden, 'engine', join(ekiden.dataDir, 'engine'), [
      ...['--image-runtime', 'docker', '--docker-socket', engine.socket],
      // The same again after a restart: commands in its tasks are asked of it there.
      ...['--port', String(port)],
      ...['--disk-policy', 'kill', '--disk-check-ms', '200'],
    ]);

  beforeAll(async () => {
    registry = await startRegistry();
    image = registry.push('busybox:v1', ['--config.env', 'GREETING=image', '--config.cmd', '/bin/sh', '--config.cmd', '-c', '--config.cmd', SERVE]);
    engine = await openOwnEngine({ network: 'machine', hasBridge: true });
    await engine.docker('network', 'create', '--subnet', '10.78.0.0/24', 'blue');
    ekiden = await Ekiden.start();
    [port = 0] = await freePorts(1);
    agent = await joinEngine();
  });
  afterAll(async () => {
    for (const app of (await ekiden.get('/v2/apps')).body.apps) await ekiden.send('DELETE', `/v2/apps/${app.id}?force=true`);
    await eventually('no task is left', async () => (await ekiden.get('/v2/tasks')).body.tasks.length === 0);
    await eventually('no container is left', async () => (await engine.docker('ps', '-aq')) === '');
    await LonePart.endAll();
    await ekiden.end();
    await registry.close();
    expect(await engine.end()).toEqual([]);
  });

  const docker = (name: string, more: object = {}): object => ({ container: { type: 'DOCKER', docker: { image: name, ...more } }, ...onAgent('engine') });

  it('pulls the image and runs what it says, healthy, through the death of the agent, with its log and commands in it', async () => {
    await ekiden.deploy({ id: '/engine/own', ...SMALL, ...docker(image), ...CHECKED });
    const [task] = await ekiden.tasks('/engine/own');
    expect(await page(task)).toBe('hello image from /mnt/mesos/sandbox\n');
    await agent.kill();
    expect(await page(task)).toBe('hello image from /mnt/mesos/sandbox\n');
    agent = await joinEngine();
    await ekiden.settled('/engine/own');
    expect((await ekiden.tasks('/engine/own'))[0].id).toBe(task.id);
    await eventually('a command runs in it', () => ekiden.cli('exec', '/engine/own', '--', '/bin/cat', '/tmp/index.html').out.includes('hello image'));
    expect(ekiden.cli('nodes', '-v').out).toMatch(/docker: used/);
    await ekiden.send('DELETE', '/v2/apps//engine/own?force=true');
    await eventually('the container is gone', async () => (await engine.docker('ps', '-aq')) === '');
  });

  it('runs one image in all tasks of a version, until a restart asks anew', async () => {
    const push = (greeting: string): string =>
      registry.push('moving:v1', ['--config.env', `GREETING=${greeting}`, '--config.cmd', '/bin/sh', '--config.cmd', '-c', '--config.cmd', SERVE]);
    const pages = async (): Promise<readonly string[]> => await Promise.all((await ekiden.tasks('/engine/moving')).map(page));
    const app = { id: '/engine/moving', ...SMALL, ...docker(push('old')), ...CHECKED, upgradeStrategy: { minimumHealthCapacity: 0, maximumOverCapacity: 1 } };
    await ekiden.deploy(app);
    push('new');
    await engine.docker('rmi', '--force', `${registry.address}/moving:v1`);
    await ekiden.deploy({ ...app, instances: 2 });
    expect(await pages()).toEqual(Array.from({ length: 2 }, () => 'hello old from /mnt/mesos/sandbox\n'));
    expect((await ekiden.send('POST', '/v2/apps//engine/moving/restart')).status).toBe(200);
    await ekiden.settled('/engine/moving');
    expect(await pages()).toEqual(Array.from({ length: 2 }, () => 'hello new from /mnt/mesos/sandbox\n'));
    const { body } = await ekiden.get('/ekiden/v1/apps//engine/moving/images');
    expect(new Set([body.digest, ...body.tasks.map(({ digest }: { digest: string }) => digest)]).size).toBe(1);
    await ekiden.send('DELETE', '/v2/apps//engine/moving?force=true');
  });

  it('runs each instance once, although its agent is killed in the middle of its launch', async () => {
    const app = { id: '/engine/killed', ...SMALL, backoffSeconds: 0, instances: 4, ...docker(image, { forcePullImage: true }), ...CHECKED };
    expect((await ekiden.send('PUT', '/v2/apps//engine/killed', app)).status).toBeLessThan(300);
    await eventually('a container is there', async () => (await engine.docker('ps', '-aq')) !== '');
    await agent.kill();
    agent = await joinEngine();
    await ekiden.settled('/engine/killed');
    const tasks = await ekiden.tasks('/engine/killed');
    expect(await Promise.all(tasks.map(page))).toEqual(Array.from({ length: 4 }, () => 'hello image from /mnt/mesos/sandbox\n'));
    await eventually('there are as many containers', async () => (await engine.docker('ps', '-aq')).split('\n').length === 4);
    await ekiden.send('DELETE', '/v2/apps//engine/killed?force=true');
  });

  it('gives a bridge app a port of the machine that serves, through the death of the agent, and takes its network away with it', async () => {
    const app = {
      ...{ id: '/engine/bridge', ...SMALL, cmd: `{ env; cat /etc/hosts; } >/tmp/index.html; exec httpd -f -p 80 -h /tmp` },
      container: {
        type: 'DOCKER',
        docker: { image, parameters: [{ key: 'add-host', value: 'db:10.0.0.7' }] },
        portMappings: [{ containerPort: 80, hostPort: 0, name: 'http' }],
      },
      networks: [{ mode: 'container/bridge' }],
      ...{ ...CHECKED, ...onAgent('engine') },
    };
    await ekiden.deploy(app);
    const [task] = await ekiden.tasks('/engine/bridge');
    const address = task.ipAddresses[0].ipAddress;
    const text = await page(task);
    for (const line of [
      `PORT0=${task.ports[0]}`,
      `PORT_80=${task.ports[0]}`,
      `PORT_HTTP=${task.ports[0]}`,
      `HOST=${task.host}`,
      `MESOS_CONTAINER_IP=${address}`,
      address,
      'db',
    ])
      expect(text).toContain(line);
    expect(await (await fetch(`http://${address}:80/index.html`)).text()).toBe(text);
    await eventually('its bytes are counted', async () => {
      const { body } = await ekiden.get(`/ekiden/v1/tasks/${task.id}/statistics`);
      return body.now?.network?.receivedBytes > 0 && body.now.network.sentBytes > 0;
    });
    await agent.kill();
    expect(await page(task)).toBe(text);
    agent = await joinEngine();
    await ekiden.settled('/engine/bridge');
    expect((await ekiden.tasks('/engine/bridge'))[0]).toMatchObject({ id: task.id, ipAddresses: [{ ipAddress: address }] });
    await ekiden.send('DELETE', '/v2/apps//engine/bridge?force=true');
    await eventually('its containers are gone', async () => (await engine.docker('ps', '-aq')) === '');
    await expect(page(task)).rejects.toThrow('fetch failed');
  });

  it('gets another size while it runs', async () => {
    const app = { id: '/engine/size', ...SMALL, resizeInPlace: true, ...docker(image), ...CHECKED };
    await ekiden.deploy(app);
    const [task] = await ekiden.tasks('/engine/size');
    await ekiden.deploy({ ...app, cpus: 0.1, mem: 64 });
    expect((await ekiden.tasks('/engine/size')).map(({ id }: { id: string }) => id)).toEqual([task.id]);
    const [container = ''] = (await engine.docker('ps', '-q', '--filter', `label=io.ekiden.task=${task.id}`)).split('\n');
    expect(await engine.docker('inspect', '--format', '{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}}', container)).toBe(`${64 * 1024 * 1024} 10000`);
    expect(await page(task)).toContain('hello image');
    await ekiden.send('DELETE', '/v2/apps//engine/size?force=true');
  });

  it('has networks of the engine by name, and those that it does not have keep an app waiting with the reason', async () => {
    const container = { type: 'MESOS', docker: { image }, portMappings: [{ containerPort: 80 }] };
    const cmd = 'echo blue >/tmp/index.html; exec httpd -f -p 80 -h /tmp';
    const blue = { ...{ id: '/engine/blue', ...SMALL, cmd, container, ...onAgent('engine') }, networks: [{ mode: 'container', name: 'blue' }] };
    await ekiden.deploy({ ...blue, healthChecks: [{ protocol: 'MESOS_HTTP', path: '/index.html', portIndex: 0, intervalSeconds: 1, gracePeriodSeconds: 60 }] });
    const [task] = await ekiden.tasks('/engine/blue');
    const address = task.ipAddresses[0].ipAddress;
    expect(address).toContain('10.78.0.');
    expect(await (await fetch(`http://${address}:80/index.html`)).text()).toBe('blue\n');
    await ekiden.send('DELETE', '/v2/apps//engine/blue?force=true');
    await ekiden.send('PUT', '/v2/apps//engine/green', { ...blue, id: '/engine/green', networks: [{ mode: 'container', name: 'green' }] });
    await eventually('it says what it waits for', () => ekiden.cli('why', '/engine/green').out.includes('needs the network green'));
    await ekiden.send('DELETE', '/v2/apps//engine/green?force=true');
  });

  it('replaces what has ended with its engine, and says why', async () => {
    await ekiden.deploy({ id: '/engine/dies', ...SMALL, backoffSeconds: 0, ...docker(image), ...CHECKED });
    const [task] = await ekiden.tasks('/engine/dies');
    await engine.kill();
    await engine.start();
    await eventually('another task runs', async () => {
      const [now] = await ekiden.tasks('/engine/dies');
      return now !== undefined && now.id !== task.id && now.state === 'TASK_RUNNING';
    });
    const { body } = await ekiden.get('/v2/apps//engine/dies?embed=app.lastTaskFailure');
    expect(body.app.lastTaskFailure.message).toContain('engine was restarted');
    await ekiden.send('DELETE', '/v2/apps//engine/dies?force=true');
  });

  it('runs images on an agent that has begun before its engine', async () => {
    await engine.kill();
    const late = await joinAgent(ekiden, 'late', join(ekiden.dataDir, 'late'), ['--image-runtime', 'docker', '--docker-socket', engine.socket]);
    const app = { id: '/engine/late', ...SMALL, container: { type: 'DOCKER', docker: { image } }, ...CHECKED, ...onAgent('late') };
    expect((await ekiden.send('PUT', '/v2/apps//engine/late', app)).status).toBeLessThan(300);
    await eventually('it says what it waits for', () => ekiden.cli('why', '/engine/late').out.includes('needs an agent that runs images'));
    await engine.start();
    await ekiden.settled('/engine/late');
    const [task] = await ekiden.tasks('/engine/late');
    expect(await page(task)).toContain('hello image');
    await ekiden.send('DELETE', '/v2/apps//engine/late?force=true');
    await eventually('its container is gone', async () => (await engine.docker('ps', '-aq')) === '');
    await late.kill('SIGTERM');
  });

  it('says so when a stranger has the port that it is to have', async () => {
    const server = createServer().listen(29_077, '0.0.0.0');
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      const bridge = { networks: [{ mode: 'container/bridge' }], requirePorts: true };
      const container = { type: 'DOCKER', docker: { image }, portMappings: [{ containerPort: 80, hostPort: 29_077 }] };
      expect(await failureOf(ekiden, '/engine/taken', { ...SMALL, ...bridge, container, ...onAgent('engine') })).toContain('port 29077/tcp is taken');
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it.each([
    ['an image that does not exist', () => docker(`${registry.address}/nothing:v1`), 'manifest unknown'],
    [
      'a user of the image that is not there',
      () => docker(registry.push('nobody:v1', ['--config.user', 'ghost', '--config.cmd', '/bin/true'])),
      'no user "ghost"',
    ],
    ['an image without a command', () => docker(registry.push('empty:v1', [])), 'neither entrypoint nor command'],
    ['more than its disk, beside its sandbox', () => ({ ...docker(image), disk: 8, cmd: 'dd if=/dev/zero of=/big bs=1M count=20; sleep 1000' }), 'Disk usage'],
  ])('says why it fails: %s', async (_, app, why) => {
    expect(await failureOf(ekiden, `/engine/f${why.replaceAll(/\W/g, '').slice(0, 20).toLowerCase()}`, { ...SMALL, ...app() })).toContain(why);
  });
});
