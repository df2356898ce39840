/** Networks of containers on the real kernel, with the real plugins: who reaches whom, what is left, what a crash leaves, two agents at once. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BRIDGE_NETWORK, taskId } from '@ekiden/model';
import { busyboxImage } from '../../test/busybox-image.js';
import { inOwnNetwork, MACHINE_ADDRESS, NEIGHBOUR, NEIGHBOUR_ADDRESS } from '../../test/own-network.js';
import { networkWorld, type NetworkWorld } from '../../test/network-world.js';
import { PATIENCE_MS, until, type RealTasks } from '../../test/real-tasks.js';
import { parseSubnet, type LaunchSpec } from '../index.js';
import type { PortForward } from './cni-config.js';
import { readNetworkConfigs } from './network-configs.js';
import { pluginRunner, type RunPlugin } from './run-plugin.js';
import type { TaskNetwork, TaskNetworks } from './task-networks.js';

jest.setTimeout(120_000);

inOwnNetwork(__filename, () => {
  let machine: NetworkWorld;
  let dir: string;
  let world: RealTasks;
  let networks: TaskNetworks;

  const open = (name = 'a', change: Parameters<NetworkWorld['open']>[1] = {}): TaskNetworks => machine.open(name, change);

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ekiden-networks-'));
    machine = await networkWorld(dir);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  beforeEach(async () => {
    world = await machine.tasks();
    networks = open();
  });
  afterEach(async () => {
    expect(await world.clear()).toEqual([]);
    for (let round = 0; round < 5 && leftOver().length > 0; round += 1) await networks.sweep(new Set());
    expect(leftOver()).toEqual([]);
  });

  /** Interfaces, namespaces, leases and rules of ours. */
  function leftOver(): string[] {
    const ours = (text: string): string[] => text.split('\n').filter((line) => /ek0000|ekiden-|veth(?!.*neighbour)/.test(line));
    const leases = readdirSync(dir)
      .flatMap((agent) =>
        existsSync(join(dir, agent, 'leases')) ? readdirSync(join(dir, agent, 'leases')).map((name) => join(dir, agent, 'leases', name)) : [],
      )
      .flatMap((path) => readdirSync(path).filter((name) => parseSubnet(name) !== null));
    return [...ours(run('ip', '-o', 'link')), ...ours(run('ip', 'netns', 'list')), ...ours(run('iptables-save')), ...leases];
  }

  const run = (program: string, ...args: string[]): string =>
    execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE_MS });

  const tcp = (hostPort: number, containerPort = 80): PortForward => ({ hostPort, containerPort, protocol: 'tcp' });

  async function start(
    line: string,
    ports: readonly PortForward[],
    at = networks,
    names = [BRIDGE_NETWORK],
  ): Promise<{ spec: LaunchSpec; network: TaskNetwork }> {
    const spec = world.spec('', { command: { kind: 'argv', argv: ['/bin/sh', '-c', line] }, env: { PATH: '/bin' } });
    const network = await at.attach({ taskId: spec.taskId, networks: names.map((name, index) => ({ name, ports: index === 0 ? ports : [] })) });
    const image = busyboxImage(dir);
    const launched: LaunchSpec = {
      ...spec,
      container: { image, workingDirectory: null, volumes: [], network: { ...network, hostname: 'a-name' } },
    };
    await world.start(launched);
    return { spec: launched, network };
  }

  const SERVE = 'mkdir -p /tmp/w && hostname >/tmp/w/index.html && exec httpd -f -p 80 -h /tmp/w';

  async function page(host: string, port: number): Promise<string> {
    const reply = await fetch(`http://${host}:${port}/`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) });
    return (await reply.text()).trim();
  }

  async function serves(host: string, port: number): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const answer = await page(host, port).catch((error: unknown) => String(error));
      if (answer === 'a-name') return;
      if (performance.now() > deadline) throw new Error(`${host}:${port} answers ${answer}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  it('is reached by its own address and by its port of the machine, on every address of that', async () => {
    const { spec, network } = await start(SERVE, [tcp(31_080)]);
    for (const host of ['127.0.0.1', '127.0.0.3', MACHINE_ADDRESS]) await serves(host, 31_080);
    await serves(network.addresses[0] ?? '', 80);
    expect(networks.find(spec.taskId)).toEqual(network);
    const traffic = networks.traffic([spec.taskId]).get(spec.taskId);
    expect(traffic?.receivedBytes).toBeGreaterThan(100);
    expect(traffic?.sentBytes).toBeGreaterThan(100);
  });

  it.each([['emptied'], ['emptied of its chains, too']])('is whole again after the machine’s rules were %s', async (what) => {
    run('iptables', '-P', 'FORWARD', 'DROP');
    const { spec, network } = await start(SERVE, [tcp(31_078)]);
    await serves('127.0.0.1', 31_078);
    const listen = "require('node:net').createServer((s) => s.end(s.remoteAddress)).listen(4002, '0.0.0.0')";
    const neighbour = spawn('ip', ['netns', 'exec', NEIGHBOUR, process.execPath, '-e', listen], { stdio: 'ignore' });
    const asSeenOutside = (): string => {
      try {
        return run('ip', 'netns', 'exec', network.namespace.split('/').at(-1) ?? '', 'busybox', 'nc', '-w', '1', NEIGHBOUR_ADDRESS, '4002');
      } catch (error) {
        return String(error);
      }
    };
    try {
      for (const table of ['filter', 'nat']) for (const flag of what === 'emptied' ? ['-F'] : ['-F', '-X']) run('iptables', '-t', table, flag);
      await expect(page(MACHINE_ADDRESS, 31_078)).rejects.toThrow();
      await networks.sweep(new Set([spec.taskId]));
      for (const host of ['127.0.0.1', MACHINE_ADDRESS, network.addresses[0] ?? '']) await serves(host, host.startsWith('172') ? 80 : 31_078);
      await until('the neighbour to be reached', () => asSeenOutside() === MACHINE_ADDRESS);
      expect(networks.find(spec.taskId)).toEqual(network);
    } finally {
      neighbour.kill('SIGKILL');
      run('iptables', '-P', 'FORWARD', 'ACCEPT');
    }
  });

  it('has names of its own, reaches its neighbours, itself through its port, and the machine', async () => {
    const first = await start(SERVE, [tcp(31_081)]);
    await serves('127.0.0.1', 31_081);
    const other = first.network.addresses[0] ?? '';
    const server = createServer((socket) => socket.end('from the machine\n')).listen(4_000, MACHINE_ADDRESS);
    try {
      const look = `cat /etc/hosts /etc/hostname /etc/resolv.conf; echo x >>/etc/hosts; for i in ${other}:80 ${MACHINE_ADDRESS}:31081; do wget -q -O - http://$i/; done; nc ${MACHINE_ADDRESS} 4000 </dev/null`;
      const { spec, network } = await start(look, []);
      expect(await world.ended(spec.taskId)).toMatchObject({ code: 0 });
      const said = world.output(spec);
      expect(said).toContain(`${network.addresses[0]}\ta-name`);
      expect(said).toMatch(/a-name\na-name\n/);
      expect(said).toContain('from the machine');
    } finally {
      server.close();
    }
  });

  it('is reached from another machine, also where the machine forwards nothing by itself, and reaches it with the machine’s address', async () => {
    run('iptables', '-P', 'FORWARD', 'DROP');
    const fetchAs = (url: string): string => run('ip', 'netns', 'exec', NEIGHBOUR, 'busybox', 'wget', '-q', '-O', '-', url);
    await start(SERVE, [tcp(31_079)]);
    await serves('127.0.0.1', 31_079);
    expect(fetchAs(`http://${MACHINE_ADDRESS}:31079/`)).toBe('a-name\n');
    const listen = "require('node:net').createServer((s) => s.end(s.remoteAddress + '\\n')).listen(4001)";
    const neighbour = spawn('ip', ['netns', 'exec', NEIGHBOUR, process.execPath, '-e', listen], { stdio: 'ignore' });
    try {
      const { spec } = await start(`until nc ${NEIGHBOUR_ADDRESS} 4001 </dev/null; do sleep 0.1; done`, []);
      await world.ended(spec.taskId);
      expect(world.output(spec)).toContain(MACHINE_ADDRESS);
    } finally {
      neighbour.kill('SIGKILL');
      run('iptables', '-P', 'FORWARD', 'ACCEPT');
    }
  });

  it('takes UDP', async () => {
    const { network } = await start('exec sleep 1000', [{ hostPort: 31_053, containerPort: 53, protocol: 'udp' }]);
    const echo = "const s = require('node:dgram').createSocket('udp4'); s.on('message', (m, from) => s.send(m, from.port, from.address)); s.bind(53)";
    const server = spawn('nsenter', [`--net=${network.namespace}`, '--', process.execPath, '-e', echo], { stdio: 'ignore' });
    const client = createSocket('udp4');
    try {
      let got = '';
      client.on('message', (message) => (got = message.toString()));
      await until('the answer', () => {
        client.send('hello', 31_053, '127.0.0.1');
        return got === 'hello';
      });
    } finally {
      client.close();
      server.kill('SIGKILL');
    }
  });

  it('keeps containers from what listens on the machine’s loopback, whatever they send', async () => {
    const { network } = await start('exec sleep 1000', [tcp(31_078)]);
    const inside = (...args: string[]): string => run('nsenter', `--net=${network.namespace}`, '--', ...args);
    const listen = "require('node:net').createServer((s) => s.end('secret')).listen(4002, '127.0.0.1', () => console.log('up'))";
    const server = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise((resolve) => server.stdout.once('data', resolve));
    const ask = "require('node:net').connect(4002, '127.0.0.1').setTimeout(3000, () => process.exit(1)).on('data', (d) => console.log(String(d)))";
    try {
      // As one could do with raw packets: its own loopback is gone, and 127.0.0.1 is sent to the machine.
      inside('ip', 'address', 'flush', 'dev', 'lo');
      inside('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet');
      inside('ip', 'route', 'add', '127.0.0.0/8', 'via', /default via (\S+)/.exec(inside('ip', 'route'))?.[1] ?? '');
      expect(() => inside(process.execPath, '-e', ask)).toThrow();
      const [rule = ''] = run('iptables-save')
        .split('\n')
        .filter((line) => line.startsWith('-A INPUT') && line.includes('-d 127.0.0.0/8'));
      run('iptables', ...rule.replace('-A', '-D').split(' '));
      // It is this rule that keeps them out.
      expect(inside(process.execPath, '-e', ask)).toBe('secret\n');
    } finally {
      server.kill('SIGKILL');
    }
  });

  it('leaves nothing when it is taken away, and the port leads to the next task at once', async () => {
    const { spec } = await start(SERVE, [tcp(31_082)]);
    await serves('127.0.0.1', 31_082);
    world.runtime.kill(spec.taskId);
    await world.ended(spec.taskId);
    await networks.detach(spec.taskId);
    expect(leftOver()).toEqual([]);
    await networks.detach(spec.taskId);
    await start(SERVE, [tcp(31_082)]);
    await serves('127.0.0.1', 31_082);
  });

  it('is known to the next agent, which takes away what belongs to nobody', async () => {
    const kept = await start(SERVE, [tcp(31_083)]);
    await start(SERVE, [tcp(31_084)]);
    await serves('127.0.0.1', 31_083);
    const next = open();
    expect(next.find(kept.spec.taskId)).toEqual(kept.network);
    expect(await next.sweep(new Set([kept.spec.taskId]))).toBe(1);
    await serves('127.0.0.1', 31_083);
    await expect(page('127.0.0.1', 31_084)).rejects.toThrow();
    // The bridge and its network are those of the task that runs.
    const { network } = await start(SERVE, [tcp(31_084)], next);
    await serves('127.0.0.1', 31_084);
    expect(network.addresses[0]?.split('.').slice(0, 2)).toEqual(kept.network.addresses[0]?.split('.').slice(0, 2));
    networks = next;
  });

  it.each([
    ['before the first plugin', 1, false],
    ['after the first plugin', 1, true],
    ['before the second plugin', 2, false],
    ['after the second plugin', 2, true],
  ])('can be taken away by the next agent when one dies %s', async (_, at, hasEffect) => {
    const real = pluginRunner(machine.tools.tools.setpriv);
    let calls = 0;
    await new Promise<void>((died) => {
      const dying: RunPlugin = async (call) => {
        calls += 1;
        if (calls === at && hasEffect) await real(call);
        if (calls < at) return await real(call);
        died();
        return await new Promise(() => undefined);
      };
      void open('a', { runPlugin: dying }).attach({ taskId: taskId('t.dies'), networks: [{ name: BRIDGE_NETWORK, ports: [tcp(31_085)] }] });
    });
    networks = open();
    expect(await networks.sweep(new Set())).toBe(1);
  });

  it('keeps two agents of one machine apart, each with a network of its own', async () => {
    const other = open('b');
    const [a, b] = await Promise.all([start(SERVE, [tcp(31_086)]), start(SERVE, [tcp(31_087)], other)]);
    await serves('127.0.0.1', 31_086);
    await serves('127.0.0.1', 31_087);
    const net = ({ network }: typeof a): string => readFileSync(join(dir, network === a.network ? 'agent-a' : 'agent-b', 'subnet'), 'utf8');
    expect(net(a)).not.toBe(net(b));
    await other.sweep(new Set());
    await serves('127.0.0.1', 31_086);
  });

  it('refuses a port that leads to another task, and leaves nothing of the refused one', async () => {
    const { spec } = await start(SERVE, [tcp(31_088)]);
    await expect(networks.attach({ taskId: taskId('t.second'), networks: [{ name: BRIDGE_NETWORK, ports: [tcp(31_088)] }] })).rejects.toThrow(
      `31088/tcp still leads to the task ${spec.taskId}`,
    );
    await serves('127.0.0.1', 31_088);
  });

  it('says what a plugin says', async () => {
    const network = { name: 'broken', cniVersion: '0.4.0', plugins: [{ type: 'bridge', bridge: 'ek0000broken', ipam: { type: 'host-local', ranges: [] } }] };
    networks = open('a', { configured: (name) => (name === 'broken' ? network : null) });
    await expect(networks.attach({ taskId: taskId('t.broken'), networks: [{ name: 'broken', ports: [] }] })).rejects.toThrow(/the CNI plugin "bridge" ADD: /);
    await expect(networks.attach({ taskId: taskId('t.none'), networks: [{ name: 'none', ports: [] }] })).rejects.toThrow('--cni-config-dir');
    execFileSync('sh', ['-c', 'ip link del ek0000broken 2>/dev/null || true']);
  });

  it('joins the networks of the operator', async () => {
    const configs = join(dir, 'cni');
    execFileSync('mkdir', ['-p', configs]);
    const ipam = { type: 'host-local', dataDir: join(dir, 'own-leases'), ranges: [[{ subnet: '10.77.0.0/24' }]] };
    writeFileSync(
      join(configs, '10-blue.conflist'),
      JSON.stringify({ name: 'blue', cniVersion: '0.4.0', plugins: [{ type: 'ptp', ipam, dns: { nameservers: ['10.77.0.9'] } }] }),
    );
    const { networks: configured } = readNetworkConfigs(configs);
    networks = open('a', { configured: (name) => configured.get(name) ?? null });
    const { spec, network } = await start('cat /etc/resolv.conf', [], networks, [BRIDGE_NETWORK, 'blue']);
    expect(network.addresses).toHaveLength(2);
    expect(network.addresses[1]).toMatch(/^10\.77\.0\./);
    await world.ended(spec.taskId);
    expect(world.output(spec)).toContain('nameserver 10.77.0.9');
    await expect(networks.attach({ taskId: taskId('t.mapped'), networks: [{ name: 'blue', ports: [tcp(31_089)] }] })).rejects.toThrow('maps no ports');
  });
});
