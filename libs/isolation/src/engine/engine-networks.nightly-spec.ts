/** Networks of a real container engine's containers: who reaches whom, ports that are taken, the next agent, pods, and what is left. */
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BRIDGE_NETWORK, NO_DOCKER_OPTIONS, taskId, type TaskId } from '@ekiden/model';
import { type EngineProgram, type OwnEngine, openOwnEngine, testImageOf } from '../../test/own-engine.js';
import { inOwnNetwork, MACHINE_ADDRESS, NEIGHBOUR } from '../../test/own-network.js';
import { silentLog, until } from '../../test/real-tasks.js';
import {
  compositeRuntime,
  createEngineNetworks,
  createEngineRuntime,
  createPods,
  createRuntime,
  type PodExit,
  type PodMember,
  type PodSpec,
  probeEngine,
  probeRuntimes,
  type EngineImage,
  type EngineNetworks,
  type LaunchSpec,
  type NetworkNames,
  type Pods,
  type PortForward,
  type ReadyEngine,
  type SupervisedRuntime,
  type TaskExit,
  type TaskNetwork,
} from '../index.js';

jest.setTimeout(240_000);

const INSTANCE = 'net-test';
const BLUE = { docker: '10.78.0.', podman: '10.79.0.' };

inOwnNetwork(__filename, () => {
  describe.each<EngineProgram>(['docker', 'podman'])('of %s', (program) => {
    let engine: OwnEngine;
    let found: ReadyEngine;
    let image: EngineImage;
    let dir: string;
    let runtime: SupervisedRuntime;
    let networks: EngineNetworks;
    let specs: LaunchSpec[];
    let count = 0;

    const openNetworks = (): EngineNetworks =>
      createEngineNetworks({ dir: join(dir, 'networks'), instance: INSTANCE, engine: () => found, nameservers: ['10.9.9.9'], log: silentLog });

    async function openRuntime(): Promise<SupervisedRuntime> {
      const { cgroup } = await probeRuntimes();
      const host = createRuntime({ kind: 'cgroup', driver: cgroup, instance: INSTANCE, log: silentLog });
      return compositeRuntime(host, createEngineRuntime({ engine: () => found, instance: INSTANCE, log: silentLog }));
    }

    beforeAll(async () => {
      engine = await openOwnEngine({ program, network: 'machine', hasBridge: true });
      await engine.docker('network', 'create', '--subnet', `${BLUE[program]}0/24`, 'blue');
      const probed = await probeEngine([engine.socket]);
      if (probed.kind === 'missing') throw new Error(probed.reasons.join('; '));
      found = probed;
      image = await testImageOf(engine);
    });
    afterAll(async () => {
      await engine.docker('network', 'rm', 'blue');
      expect(await engine.end()).toEqual([]);
      // Docker leaves a machine behind that forwards nothing, whoever comes next.
      execFileSync('iptables', ['-P', 'FORWARD', 'ACCEPT']);
    });

    beforeEach(async () => {
      dir = mkdtempSync(join(tmpdir(), 'ekiden-engine-networks-'));
      specs = [];
      networks = openNetworks();
      runtime = await openRuntime();
    });
    afterEach(async () => {
      // What still runs is nobody's from here on.
      runtime.close();
      runtime = await openRuntime();
      await runtime.sweep(new Set());
      await networks.sweep(new Set());
      expect(await engine.docker('ps', '-aq')).toBe('');
      runtime.close();
      rmSync(dir, { recursive: true, force: true });
    });

    const ended = (id: TaskId): Promise<TaskExit> => new Promise((resolve) => runtime.onExit(id, resolve));
    const tcp = (hostPort: number, containerPort = 80): PortForward => ({ hostPort, containerPort, protocol: 'tcp' });
    const NAMES: NetworkNames = { ...NO_DOCKER_OPTIONS, hostname: 'a-name', hosts: [{ name: 'db', address: '10.0.0.7' }] };
    const SERVE = 'mkdir -p /tmp/w && { hostname; cat /etc/hosts /etc/resolv.conf; } >/tmp/w/index.html && exec httpd -f -p 80 -h /tmp/w';

    function aSpec(line: string): LaunchSpec {
      count += 1;
      const [sandbox, runDir] = [join(dir, `sandbox-${count}`), join(dir, `run-${count}`)];
      mkdirSync(sandbox);
      mkdirSync(runDir, { mode: 0o700 });
      const spec: LaunchSpec = {
        ...{ taskId: taskId(`task-${program}-${count}`), sandbox, runDir, command: { kind: 'argv', argv: ['/bin/sh', '-c', line] } },
        ...{ env: { PATH: '/bin' }, user: null, limits: { cpusMilli: 100, memMib: 32 } },
        container: { image, workingDirectory: null, volumes: [] },
      };
      specs.push(spec);
      return spec;
    }

    async function start(
      line: string,
      ports: readonly PortForward[],
      names: readonly string[] = [BRIDGE_NETWORK],
      options = NO_DOCKER_OPTIONS,
    ): Promise<{ spec: LaunchSpec; network: TaskNetwork }> {
      const spec = aSpec(line);
      const wanted = names.map((name, index) => ({ name, ports: index === 0 ? ports : [] }));
      const network = await networks.attach({ taskId: spec.taskId, networks: wanted, names: NAMES });
      const launched: LaunchSpec = { ...spec, container: { image, workingDirectory: null, volumes: [], options, network: { ...network, hostname: 'a-name' } } };
      const result = await runtime.launch(launched);
      if (result.kind === 'failed') throw new Error(`the launch failed: ${result.reason}`);
      return { spec: launched, network };
    }

    async function page(host: string, port: number): Promise<string> {
      const reply = await fetch(`http://${host}:${port}/`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) });
      return (await reply.text()).trim();
    }

    async function serves(host: string, port: number): Promise<string> {
      const deadline = performance.now() + 30_000;
      for (;;) {
        const answer = await page(host, port).catch((error: unknown) => String(error));
        if (answer.startsWith('a-name')) return answer;
        if (performance.now() > deadline) throw new Error(`${host}:${port} answers ${answer}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }

    it('is reached by its own address and by its port of the machine, here and from another machine, and counts what goes through', async () => {
      expect(found.networks).toMatchObject({ kind: 'ready', names: expect.arrayContaining([BRIDGE_NETWORK, 'blue']) });
      const { spec, network } = await start(SERVE, [tcp(31_080)]);
      const said = await serves('127.0.0.1', 31_080);
      for (const part of [`${network.addresses[0]}\ta-name`, '10.0.0.7\tdb', 'nameserver 10.9.9.9'])
        expect(said.replaceAll(' ', '\t')).toContain(part.replaceAll(' ', '\t'));
      await serves(MACHINE_ADDRESS, 31_080);
      await serves(network.addresses[0] ?? '', 80);
      const neighbour = execFileSync('ip', ['netns', 'exec', NEIGHBOUR, 'busybox', 'wget', '-q', '-O', '-', `http://${MACHINE_ADDRESS}:31080/`], {
        encoding: 'utf8',
      });
      expect(neighbour).toContain('a-name');
      expect(networks.find(spec.taskId)).toEqual(network);
      const traffic = networks.traffic([spec.taskId]).get(spec.taskId);
      expect(traffic?.receivedBytes).toBeGreaterThan(100);
      expect(traffic?.sentBytes).toBeGreaterThan(100);
    });

    it('leads udp, and both at one port', async () => {
      const ports: PortForward[] = [
        { hostPort: 31_053, containerPort: 53, protocol: 'udp' },
        { hostPort: 31_053, containerPort: 53, protocol: 'tcp' },
      ];
      const { network } = await start('echo tcp >/tmp/index.html; exec httpd -f -p 53 -h /tmp', ports);
      const echo = "const s = require('node:dgram').createSocket('udp4'); s.on('message', (m, from) => s.send(m, from.port, from.address)); s.bind(53)";
      const server = spawn('nsenter', [`--net=${network.namespace}`, '--', process.execPath, '-e', echo], { stdio: 'ignore' });
      const client = createSocket('udp4');
      let heard = '';
      client.on('message', (message) => (heard = message.toString()));
      try {
        await until('an answer by udp', () => {
          client.send('hello', 31_053, MACHINE_ADDRESS);
          return heard === 'hello';
        });
        expect(await page('127.0.0.1', 31_053)).toBe('tcp');
      } finally {
        client.close();
        server.kill('SIGKILL');
      }
    });

    it('fails with the reason when somebody else has the port, and leaves nothing', async () => {
      const server = createServer().listen(31_099, '0.0.0.0');
      await new Promise((resolve) => server.once('listening', resolve));
      try {
        await expect(start(SERVE, [tcp(31_099)])).rejects.toThrow(/its network cannot be made: .*(in use|allocated)/);
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
      expect(await engine.docker('ps', '-aq')).toBe('');
      await start(SERVE, [tcp(31_099)]);
      await serves('127.0.0.1', 31_099);
      await expect(start(SERVE, [tcp(31_099)])).rejects.toThrow(/its network cannot be made: .*(in use|allocated)/);
      await expect(start(SERVE, [], ['nobodys'])).rejects.toThrow('no network "nobodys"');
    });

    it('joins networks of the engine by name, one or several', async () => {
      const { network } = await start(SERVE, [tcp(31_081)], ['blue', BRIDGE_NETWORK]);
      expect(network.addresses[0]).toContain(BLUE[program]);
      expect(network.addresses).toHaveLength(2);
      await serves('127.0.0.1', 31_081);
      for (const address of network.addresses) await serves(address, 80);
    });

    it('has settings of the kernel for its own network', async () => {
      const { spec } = await start('cat /proc/sys/net/core/somaxconn; sleep 1000', [], [BRIDGE_NETWORK], {
        ...NO_DOCKER_OPTIONS,
        sysctls: { 'net.core.somaxconn': '777' },
      });
      await until('it to say so', () => readFileSync(join(spec.sandbox, 'stdout'), 'utf8') === '777\n');
    });

    it('outlives the agent, and its ports are free once it is over', async () => {
      const { spec, network } = await start(SERVE, [tcp(31_082)]);
      await serves('127.0.0.1', 31_082);
      runtime.close();
      networks = openNetworks();
      runtime = await openRuntime();
      expect(await runtime.recover(spec.taskId, spec.runDir)).toMatchObject({ kind: 'running' });
      expect(networks.find(spec.taskId)).toEqual(network);
      expect(await networks.sweep(new Set([spec.taskId]))).toBe(0);
      await serves('127.0.0.1', 31_082);
      const end = ended(spec.taskId);
      runtime.kill(spec.taskId);
      await end;
      await networks.detach(spec.taskId);
      await expect(page('127.0.0.1', 31_082)).rejects.toThrow('fetch failed');
      const next = await start(SERVE, [tcp(31_082)]);
      await serves('127.0.0.1', 31_082);
      // Whoever is not known is taken away, also when its record is lost.
      runtime.kill(next.spec.taskId);
      await ended(next.spec.taskId);
      rmSync(join(dir, 'networks'), { recursive: true });
      networks = openNetworks();
      expect(await networks.sweep(new Set())).toBe(1);
    });

    describe('as the ground of a pod', () => {
      let pods: Pods;
      beforeEach(() => (pods = createPods({ runtime, networks, log: silentLog })));
      afterEach(() => pods.close());

      const shared = (containerPath: string, isReadOnly = false): PodMember['mounts'] => [{ volume: 'shared', containerPath, isReadOnly }];
      const container = (name: string, line: string, mounts: PodMember['mounts'] = []): PodMember => ({ name, mounts, launch: aSpec(line) });
      function hostCommand(name: string, line: string, mounts: PodMember['mounts']): PodMember {
        const { container: _none, ...launch } = aSpec('');
        return { name, mounts, launch: { ...launch, command: { kind: 'shell', line }, env: { PATH: process.env['PATH'] ?? '' } } };
      }
      function pod(members: readonly PodMember[]): PodSpec {
        const [sandbox, runDir] = [join(dir, 'pod-sandbox'), join(dir, 'pod-run')];
        mkdirSync(sandbox);
        mkdirSync(runDir, { mode: 0o700 });
        const own = [{ name: BRIDGE_NETWORK, ports: [tcp(31_090)] }];
        return {
          podId: taskId(`pod-${program}-${count}`),
          sandbox,
          runDir,
          members,
          volumes: ['shared'],
          networks: own,
          hostname: 'a-name-of-a-pod',
          graceMs: 5_000,
        };
      }
      const INSIDE = 'mkdir -p /data/w && hostname >/data/w/index.html && exec httpd -f -p 127.0.0.1:8080 -h /data/w';
      const PROXY = 'until wget -q -O /tmp/index.html http://127.0.0.1:8080/; do sleep 0.05; done; exec httpd -f -p 80 -h /tmp';
      const WATCH =
        'until [ -s data/w/index.html ] && busybox wget -q -O got http://127.0.0.1:8080/; do sleep 0.05; done; touch seen; while [ ! -e go ]; do sleep 0.05; done; exit 3';

      it('has one loopback, one volume, one port and one life, with a command of the machine among its containers, also under the next agent', async () => {
        const watcher = hostCommand('watcher', WATCH, shared('data'));
        const server = container('server', INSIDE, shared('/data'));
        const spec = pod([server, container('proxy', PROXY, shared('/data', true)), watcher]);
        expect(await pods.launch(spec)).toEqual({ kind: 'started' });
        for (const host of ['127.0.0.1', MACHINE_ADDRESS]) expect(await serves(host, 31_090)).toBe('a-name-of-a-pod');
        await until('the host command to have seen it', () => existsSync(join(watcher.launch.sandbox, 'seen')));
        expect(readFileSync(join(watcher.launch.sandbox, 'got'), 'utf8')).toBe('a-name-of-a-pod\n');

        pods.close();
        runtime.close();
        runtime = await openRuntime();
        networks = openNetworks();
        pods = createPods({ runtime, networks, log: silentLog });
        expect(await pods.recover(spec.podId, spec.runDir)).toEqual({ kind: 'found' });
        expect(await networks.sweep(new Set([spec.podId]))).toBe(0);
        await serves('127.0.0.1', 31_090);

        const over = new Promise<PodExit>((resolve) => pods.onExit(spec.podId, resolve));
        execFileSync('touch', [join(watcher.launch.sandbox, 'go')]);
        expect(await over).toMatchObject({ why: 'member "watcher" exited with status 3', members: [{ exit: { lost: null } }, {}, { exit: { code: 3 } }] });
        await pods.forget(spec.podId, spec.runDir);
        specs = [];
        await expect(page('127.0.0.1', 31_090)).rejects.toThrow('fetch failed');
        expect(await engine.docker('ps', '-aq')).toBe('');
      });

      it('leaves nothing when a member cannot be started', async () => {
        const broken = container('broken', 'true');
        const spec = pod([container('server', INSIDE), { ...broken, launch: { ...broken.launch, user: 'nobody-of-that-name' } }]);
        expect(await pods.launch(spec)).toEqual({ kind: 'failed', reason: expect.stringContaining('member "broken"') });
        specs = [];
        expect(await engine.docker('ps', '-aq')).toBe('');
      });
    });
  });
});
