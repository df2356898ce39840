/**
 * Apps with a network of their own, through the whole of Ekiden, on a machine whose network is the test's own: what people write with
 * BRIDGE simply runs, outlives the agent, and leaves nothing. Nor has the machine crun: it is runc that makes these containers.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { findTool } from '../../libs/isolation/src/launch-tools.js';
import { startRegistry, type LocalRegistry } from '../../libs/isolation/test/local-registry.js';
import { inOwnNetwork } from '../../libs/isolation/test/own-network.js';
import { Ekiden, eventually, type AnyJson } from './ekiden.js';
import { joinAgent, LonePart, onAgent } from './lone-part.js';

jest.setTimeout(180_000);

inOwnNetwork(__filename, () => {
  const SMALL = { cpus: 0.05, mem: 32, backoffSeconds: 300, taskKillGracePeriodSeconds: 1 };
  const SERVE = 'mkdir -p /tmp/w; { env; cat /etc/hosts; } >/tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w';
  const check = (protocol: string): object => ({ protocol, path: '/index.html', portIndex: 0, intervalSeconds: 1, delaySeconds: 1, gracePeriodSeconds: 60 });

  let ekiden: Ekiden;
  let registry: LocalRegistry;
  let image: string;
  const agents: LonePart[] = [];
  const joinBlue = (): Promise<LonePart> => joinAgent(ekiden, 'blue', join(ekiden.dataDir, 'agent-blue'), ['--cni-config-dir', join(ekiden.dataDir, 'cni')]);

  beforeAll(async () => {
    const crun = findTool('crun');
    // In the mount namespace of this test, and no longer than that.
    if (crun !== null) execFileSync('mount', ['--bind', '/dev/null', crun]);
    registry = await startRegistry();
    image = registry.push('busybox:v1', []);
    ekiden = await Ekiden.start();
    const configs = join(ekiden.dataDir, 'cni');
    mkdirSync(configs);
    const ipam = { type: 'host-local', dataDir: join(ekiden.dataDir, 'blue'), ranges: [[{ subnet: '10.77.0.0/24' }]] };
    writeFileSync(join(configs, 'blue.conflist'), JSON.stringify({ name: 'blue', cniVersion: '0.4.0', plugins: [{ type: 'ptp', ipam }] }));
    agents.push(await joinBlue());
  });
  afterAll(async () => {
    for (const app of (await ekiden.get('/v2/apps')).body.apps) await ekiden.send('DELETE', `/v2/apps/${app.id}?force=true`);
    await eventually('no task is left', async () => (await ekiden.get('/v2/tasks')).body.tasks.length === 0);
    await LonePart.endAll();
    await ekiden.end();
    await registry.close();
    expect(leftOver()).toEqual([]);
  });

  function leftOver(): string[] {
    const run = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8' });
    const text = run('ip', '-o', 'link') + run('ip', 'netns', 'list') + run('iptables-save');
    return text.split('\n').filter((line) => /: ek[0-9a-f]{10}|ekiden-|veth/.test(line));
  }

  async function page(host: string, port: number): Promise<string> {
    const reply = await fetch(`http://${host}:${port}/index.html`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) });
    return await reply.text();
  }
  const pageOf = (task: AnyJson): Promise<string> => page(task.host, task.ports[0]);

  it('runs without crun, and says so', () => {
    expect(ekiden.cli('nodes', '-v').out).toContain('its containers are made by runc');
  });

  it('runs a bridge app as people have written them for years, healthy, through the death of its agent, and leaves nothing', async () => {
    await ekiden.deploy({
      id: '/net/old',
      ...SMALL,
      cmd: SERVE,
      container: {
        type: 'DOCKER',
        docker: { image, network: 'BRIDGE', portMappings: [{ containerPort: 80, hostPort: 0, servicePort: 9_000, protocol: 'tcp' }] },
      },
      healthChecks: [check('HTTP')],
      constraints: [['test', 'UNLIKE', 'blue']],
    });
    const { app } = (await ekiden.get('/v2/apps//net/old')).body;
    expect(app).toMatchObject({
      networks: [{ mode: 'container/bridge' }],
      container: { portMappings: [{ containerPort: 80, hostPort: 0, servicePort: 9_000, protocol: 'tcp', labels: {} }] },
      requirePorts: false,
      tasksHealthy: 1,
    });
    expect(app).not.toHaveProperty('portDefinitions');
    const [task] = (await ekiden.get('/v2/tasks')).body.tasks;
    expect(task).toMatchObject({ servicePorts: [9_000], healthCheckResults: [{ alive: true }] });
    const address = task.ipAddresses[0].ipAddress;
    expect(address).toMatch(/^172\.(2[4-9]|30)\./);
    const text = await pageOf(task);
    for (const line of [`PORT0=${task.ports[0]}`, `PORT_80=${task.ports[0]}`, `HOST=${task.host}`, `MESOS_CONTAINER_IP=${address}`, address])
      expect(text).toContain(line);
    expect(await page(address, 80)).toBe(text);

    await ekiden.kill('agent');
    expect(await pageOf(task)).toBe(text);
    await eventually('the agent is back', () => ekiden.parts('agent').length >= 1);
    await ekiden.settled('/net/old');
    const again = (await ekiden.tasks('/net/old'))[0];
    expect(again).toMatchObject({ id: task.id, ipAddresses: [{ ipAddress: address }] });
    expect(await pageOf(again)).toBe(text);

    await ekiden.send('DELETE', '/v2/apps//net/old?force=true');
    await eventually('its network is gone', () => leftOver().length === 0);
  });

  it('takes away the network of a task that ended while the agent was dead, and the port serves the next one', async () => {
    const app = {
      ...{ id: '/net/crash', ...SMALL, backoffSeconds: 0, cmd: SERVE, healthChecks: [check('MESOS_HTTP')], ...onAgent('blue') },
      container: { type: 'MESOS', docker: { image }, portMappings: [{ containerPort: 80, hostPort: 29_050, name: 'http' }] },
      networks: [{ mode: 'container/bridge' }],
    };
    await ekiden.deploy(app);
    const [task] = await ekiden.tasks('/net/crash');
    expect(task.ports).toEqual([29_050]);
    await pageOf(task);
    const [blue] = agents.splice(0);
    await blue?.kill();
    execFileSync('sh', ['-c', `for p in $(ip netns pids $(ip netns list | grep -o 'ekiden-[^ ]*' | head -1)); do kill -9 $p; done`]);
    agents.push(await joinBlue());
    await eventually('another one serves at the port', async () => {
      const [next] = await ekiden.tasks('/net/crash');
      return (
        next !== undefined &&
        next.id !== task.id &&
        (await pageOf(next).then(
          () => true,
          () => false,
        ))
      );
    });
    expect(leftOver().filter((line) => line.startsWith('ekiden-'))).toHaveLength(1);
    await ekiden.send('DELETE', '/v2/apps//net/crash?force=true');
    await eventually('its network is gone', () => leftOver().length === 0);
  });

  it('joins a network of the operator, where health is asked at the address of the task', async () => {
    await ekiden.deploy({
      ...{ id: '/net/blue', ...SMALL, cmd: SERVE, healthChecks: [check('HTTP')] },
      container: { type: 'DOCKER', docker: { image }, portMappings: [{ containerPort: 80, name: 'http' }] },
      networks: [{ mode: 'container', name: 'blue' }],
    });
    const [task] = await ekiden.tasks('/net/blue');
    expect(task).toMatchObject({ ports: [], healthCheckResults: [{ alive: true }], ipAddresses: [{ ipAddress: expect.stringMatching(/^10\.77\.0\./) }] });
    expect(await page(task.ipAddresses[0].ipAddress, 80)).toContain('PORT0=80');
    await ekiden.send('DELETE', '/v2/apps//net/blue?force=true');
  });

  it('waits with the reason for a network that no agent has', async () => {
    const container = { type: 'DOCKER', docker: { image } };
    await ekiden.send('PUT', '/v2/apps//net/red', { id: '/net/red', ...SMALL, container, networks: [{ mode: 'container', name: 'red' }] });
    await eventually('why says so', () => ekiden.cli('why', '/net/red').out.includes('needs the network red, which the agent does not have'));
    await ekiden.send('DELETE', '/v2/apps//net/red?force=true');
  });

  it('joins without a network whose plugin hangs, says so, and has the others', async () => {
    const at = (name: string): string => join(ekiden.dataDir, 'stuck', name);
    for (const name of ['cni', 'plugins']) mkdirSync(at(name), { recursive: true });
    writeFileSync(at('plugins/hangs'), '#!/bin/sh\nexec sleep 100000\n', { mode: 0o755 });
    const ipam = { type: 'host-local', dataDir: at('leases'), ranges: [[{ subnet: '10.78.0.0/24' }]] };
    for (const [name, type] of [
      ['stuck', 'hangs'],
      ['green', 'ptp'],
    ] as const)
      writeFileSync(at(`cni/${name}.conflist`), JSON.stringify({ name, cniVersion: '0.4.0', plugins: [{ type, ipam }] }));
    await joinAgent(ekiden, 'stuck', at('agent'), ['--cni-config-dir', at('cni'), '--cni-plugin-dirs', at('plugins')]);
    expect(ekiden.cli('nodes', '-v').out).toContain('no network "stuck": the CNI plugin "hangs" gave no answer within 10 s');
    const container = { type: 'DOCKER', docker: { image } };
    await ekiden.deploy({ id: '/net/green', ...SMALL, cmd: SERVE, container, networks: [{ mode: 'container', name: 'green' }] });
    await ekiden.send('PUT', '/v2/apps//net/stuck', { id: '/net/stuck', ...SMALL, container, networks: [{ mode: 'container', name: 'stuck' }] });
    await eventually('why says so', () => ekiden.cli('why', '/net/stuck').out.includes('needs the network stuck, which the agent does not have'));
    for (const name of ['stuck', 'green']) await ekiden.send('DELETE', `/v2/apps//net/${name}?force=true`);
    await eventually('no network is left', () => leftOver().length === 0);
  });

  it('does not start where a stranger listens at its port', async () => {
    const stranger = createServer().listen(29_060, '127.0.0.1');
    try {
      const container = { type: 'DOCKER', docker: { image, network: 'BRIDGE', portMappings: [{ containerPort: 80, hostPort: 29_060 }] } };
      await ekiden.send('PUT', '/v2/apps//net/taken', { id: '/net/taken', ...SMALL, cmd: SERVE, container, ...onAgent('blue') });
      let message = '';
      await eventually('it fails', async () => {
        message = (await ekiden.get('/v2/apps//net/taken?embed=app.lastTaskFailure')).body.app.lastTaskFailure?.message ?? '';
        return message !== '';
      });
      expect(message).toContain('port 29060/tcp is taken');
    } finally {
      stranger.close();
      await ekiden.send('DELETE', '/v2/apps//net/taken?force=true');
    }
  });

  it('rolls over to a new version, and gives a port to the next task only when it leads nowhere', async () => {
    const app = (version: string): AnyJson => ({
      ...{ id: '/net/roll', ...SMALL, cmd: SERVE, env: { VERSION: version }, healthChecks: [check('HTTP')], ...onAgent('blue') },
      container: { type: 'DOCKER', docker: { image }, portMappings: [{ containerPort: 80, hostPort: 29_070 }] },
      networks: [{ mode: 'container/bridge' }],
      upgradeStrategy: { minimumHealthCapacity: 0, maximumOverCapacity: 0 },
    });
    await ekiden.deploy(app('one'));
    expect(await page('127.0.0.1', 29_070)).toContain('VERSION=one');
    await ekiden.deploy(app('two'));
    expect(await page('127.0.0.1', 29_070)).toContain('VERSION=two');
    await ekiden.send('DELETE', '/v2/apps//net/roll?force=true');
  });
});
