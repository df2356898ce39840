/** A pod of containers and a host command in one network, on the real kernel: who reaches whom, the next agent, and what is left. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BRIDGE_NETWORK, taskId } from '@ekiden/model';
import { busyboxImage } from '../../test/busybox-image.js';
import { inOwnNetwork, MACHINE_ADDRESS } from '../../test/own-network.js';
import { networkWorld, type NetworkWorld } from '../../test/network-world.js';
import { silentLog, until, type RealTasks } from '../../test/real-tasks.js';
import type { TaskNetworks } from '../index.js';
import { createPods, type Pods } from './create-pods.js';
import type { PodExit, PodMember, PodSpec } from './pod-spec.js';

jest.setTimeout(120_000);

inOwnNetwork(__filename, () => {
  let machine: NetworkWorld;
  let dir: string;
  let world: RealTasks;
  let networks: TaskNetworks;
  let pods: Pods;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ekiden-pods-'));
    machine = await networkWorld(dir);
    world = await machine.tasks();
    networks = machine.open('a');
    pods = createPods({ runtime: world.runtime, networks, log: silentLog });
  });
  afterEach(async () => {
    pods.close();
    expect(await world.clear()).toEqual([]);
    expect(execFileSync('sh', ['-c', 'ip -o link; ip netns list; iptables-save'], { encoding: 'utf8' })).not.toMatch(/ek0000|ekiden-0000/);
    rmSync(dir, { recursive: true, force: true });
  });

  const container = (name: string, line: string, mounts: PodMember['mounts'] = []): PodMember => ({
    name,
    mounts,
    launch: world.spec('', {
      command: { kind: 'argv', argv: ['/bin/sh', '-c', line] },
      env: { PATH: '/bin' },
      container: { image: busyboxImage(dir), workingDirectory: null, volumes: [] },
    }),
  });
  const hostCommand = (name: string, line: string, mounts: PodMember['mounts'] = []): PodMember => ({ name, mounts, launch: world.spec(line) });
  const ended = (spec: PodSpec): Promise<PodExit> => new Promise((resolve) => pods.onExit(spec.podId, resolve));
  const shared = (containerPath: string, isReadOnly = false) => [{ volume: 'shared', containerPath, isReadOnly }];

  function pod(members: readonly PodMember[]): PodSpec {
    const [sandbox, runDir] = [join(world.dir, 'pod-sandbox'), join(world.dir, 'pod-run')];
    mkdirSync(sandbox);
    mkdirSync(runDir, { mode: 0o700 });
    const ports = [{ hostPort: 31_090, containerPort: 80, protocol: 'tcp' as const }];
    const own = [{ name: BRIDGE_NETWORK, ports }];
    return { podId: taskId('a-pod'), sandbox, runDir, members, volumes: ['shared'], networks: own, hostname: 'the-pod', graceMs: 5_000 };
  }

  const SERVE = 'mkdir -p /data/w && hostname >/data/w/index.html && exec httpd -f -p 127.0.0.1:8080 -h /data/w';
  const PROXY = 'until wget -q -O /tmp/index.html http://127.0.0.1:8080/; do sleep 0.05; done; exec httpd -f -p 80 -h /tmp';
  // A program of the machine, in the network of the pod.
  const WATCH =
    'until [ -s data/w/index.html ] && busybox wget -q -O got http://127.0.0.1:8080/; do sleep 0.05; done; touch seen; while [ ! -e go ]; do sleep 0.05; done; exit 3';

  async function page(host: string): Promise<string> {
    const reply = await fetch(`http://${host}:31090/`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) });
    return (await reply.text()).trim();
  }

  async function serves(host: string): Promise<void> {
    let answer = '';
    const ask = (): void =>
      void page(host).then(
        (text) => (answer = text),
        () => undefined,
      );
    await until(`${host} to answer`, () => {
      if (answer === '') ask();
      return answer === 'the-pod';
    });
  }

  it('has one loopback, one volume and one port of the machine, also under the next agent, and one life', async () => {
    const watcher = hostCommand('watcher', WATCH, shared('data'));
    const spec = pod([container('server', SERVE, shared('/data')), container('proxy', PROXY, shared('/data', true)), watcher]);
    expect(await pods.launch(spec)).toEqual({ kind: 'started' });
    for (const host of ['127.0.0.1', MACHINE_ADDRESS]) await serves(host);
    await until('the host command to have seen it', () => existsSync(join(watcher.launch.sandbox, 'seen')));

    // A command in the host command of the pod is in the pod's network as well.
    const guest = await world.runtime.exec?.({ ...watcher.launch, argv: ['busybox', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8080/'], io: 'pipes' });
    let said = '';
    guest?.output?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await new Promise((resolve) => guest?.output?.on('close', resolve));
    expect(said).toBe('the-pod\n');

    pods.close();
    networks = machine.open('a');
    pods = createPods({ runtime: world.restart(), networks, log: silentLog });
    expect(await pods.recover(spec.podId, spec.runDir)).toEqual({ kind: 'found' });
    await networks.sweep(new Set([spec.podId]));
    await serves('127.0.0.1');

    execFileSync('touch', [join(watcher.launch.sandbox, 'go')]);
    const exit = await ended(spec);
    expect(exit.why).toBe('member "watcher" exited with status 3');
    await expect(page('127.0.0.1')).rejects.toThrow();
    expect(networks.find(spec.podId)).toBeNull();
    await pods.forget(spec.podId, spec.runDir);
  });

  it('that cannot be started as a whole leaves no network behind', async () => {
    const spec = pod([
      container('server', SERVE, shared('/data')),
      { ...hostCommand('bad', 'true'), launch: { ...world.spec('true'), user: 'nobody-of-that-name' } },
    ]);
    expect(await pods.launch(spec)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('member "bad"') });
    expect(networks.find(spec.podId)).toBeNull();
  });
});
