/**
 * A container engine of a test's own, Docker's daemon or podman's service: in a network namespace of its own, with its own directories, socket and control groups, so that it
 * meets neither another daemon nor the machine's network. All of it is gone when the test is over.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { engineClient, openEngineImages, probeEngine, type EngineImage } from '../src/index.js';
import { groupTree, removeTree } from '../src/cgroup-driver.js';
import { listProcesses, readProcFile, signalProcess } from '../src/proc.js';
import { parseCgroupMounts } from '../src/probe-runtimes.js';
import { fillRootfs } from './busybox-image.js';

const run = promisify(execFile);
const LOG_TAIL = 2_000;
const START_TIMEOUT_MS = 60_000;
const LOOK_AGAIN_MS = 20;
export const TEST_IMAGE = 'ekiden-test:latest';

const PULL_STALL_MS = 10_000;
const MAX_IMAGE_BYTES = 2 ** 30;

/** `TEST_IMAGE` as tasks of an engine run it. */
export function testImageOf({ socket }: Pick<OwnEngine, 'socket'>): Promise<EngineImage> {
  const images = openEngineImages({ client: engineClient(socket), authFile: null, stallMs: PULL_STALL_MS, maxImageBytes: MAX_IMAGE_BYTES });
  return images.ensure({ reference: TEST_IMAGE, forcePull: false, sandbox: '/nowhere', stop: new AbortController().signal, progress: () => undefined });
}

export interface OwnEngine {
  readonly socket: string;
  /** A call of Docker's own program, which podman understands as well. */
  docker(...args: string[]): Promise<string>;
  /** SIGKILL to the daemon, and to nothing else. */
  kill(): Promise<void>;
  /** After a kill: the same daemon again. */
  start(...options: string[]): Promise<void>;
  /** Ends all; answers what is left of it, which should be nothing. */
  end(): Promise<readonly string[]>;
}

export type EngineProgram = 'docker' | 'podman';

export interface OwnEngineOptions {
  readonly program?: EngineProgram;
  /** `machine`: that of whoever calls, who has one of its own if containers are to be reached there. */
  readonly network?: 'own' | 'machine';
  /** Whether its containers get networks; only where it may change rules and interfaces. */
  readonly hasBridge?: boolean;
}

let engines = 0;

/** Ready, with an image of the machine's busybox. Throws naming the package when something is missing. */
export async function openOwnEngine({ program = 'docker', network = 'own', hasBridge = false }: OwnEngineOptions = {}): Promise<OwnEngine> {
  const dir = mkdtempSync(join(tmpdir(), 'ekiden-engine-'));
  engines += 1;
  const group = `ekiden-engine-${process.pid}-${engines}`;
  const socket = join(dir, `${program}.sock`);
  const words = program === 'docker' ? dockerWords(dir, socket, group, hasBridge) : podmanWords(dir, socket);
  const docker = async (...args: string[]): Promise<string> => (await run('docker', ['-H', `unix://${socket}`, ...args])).stdout.trim();
  let daemon: ChildProcess | null = null;
  // Holds the namespaces open from one daemon to the next: all that they mount is gone with it.
  const keeper = spawn('unshare', [...(network === 'own' ? ['--net'] : []), '--mount', '--propagation', 'private', '--', 'sleep', 'infinity'], {
    stdio: 'ignore',
  });

  const engine: OwnEngine = {
    socket,
    docker,
    async start(...more) {
      const deadline = performance.now() + START_TIMEOUT_MS;
      // The namespaces are there once the keeper is what it becomes.
      while (!(readProcFile(`/proc/${keeper.pid}/cmdline`) ?? '').startsWith('sleep')) {
        if (performance.now() > deadline) throw new Error('there are no namespaces for the engine');
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
      const log: string[] = [];
      const started = spawn('nsenter', ['--net', '--mount', '--target', String(keeper.pid), '--', ...words, ...more], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, DOCKER_RAMDISK: '1', CONTAINERS_CONF: join(dir, 'containers.conf') },
      });
      started.stderr.on('data', (chunk: Buffer) => log.push(chunk.toString()));
      daemon = started;
      while ((await probeEngine([socket])).kind !== 'ready') {
        if (started.exitCode !== null || performance.now() > deadline) throw new Error(`${program} does not answer: ${log.join('').slice(-LOG_TAIL)}`);
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    },
    async kill() {
      // nsenter has become the daemon.
      await gone(daemon, () => daemon?.kill('SIGKILL'));
      // Where nobody collects the containerd that died with it, its zombie would be taken for the living one.
      for (const file of ['pid', 'exec/containerd/containerd.pid', `${program}.sock`]) rmSync(join(dir, file), { force: true });
    },
    async end() {
      if (daemon !== null && daemon.exitCode === null && daemon.signalCode === null) {
        const containers = (await docker('ps', '-aq').catch(() => '')).split('\n').filter((id) => id !== '');
        // podman removes one that holds a network after those that have joined it.
        for (let round = 0; round < 2 && containers.length > 0; round += 1) await docker('rm', '-f', ...containers).catch(() => '');
        await gone(daemon, () => daemon?.kill('SIGTERM'));
      }
      // What a killed daemon has left: its containerd, and whatever that holds.
      const deadline = performance.now() + START_TIMEOUT_MS;
      while (processesIn(dir).length > 0 && performance.now() < deadline) {
        for (const pid of processesIn(dir)) signalProcess(pid, 'SIGKILL');
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
      await gone(keeper, () => keeper.kill('SIGKILL'));
      const roots = [...new Set(parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8')).map(({ path }) => path))];
      for (const root of roots) removeTree(join(root, group));
      const left = [
        ...processesIn(dir).map((pid) => `process ${pid}`),
        ...readFileSync('/proc/self/mountinfo', 'utf8')
          .split('\n')
          .filter((line) => line.includes(dir)),
        ...roots.flatMap((root) => groupTree(join(root, group))),
      ];
      if (!left.some((each) => each.includes(dir))) rmSync(dir, { recursive: true, force: true });
      return left;
    },
  };
  try {
    await engine.start();
    const rootfs = join(dir, 'rootfs');
    mkdirSync(rootfs);
    fillRootfs(rootfs);
    await run('tar', ['-C', rootfs, '-cf', join(dir, 'image.tar'), '.']);
    await docker('import', join(dir, 'image.tar'), TEST_IMAGE);
  } catch (error) {
    await engine.end();
    throw error;
  }
  return engine;
}

function programAt(name: string, debian: string): string {
  const found = ['/usr/sbin', '/usr/bin'].map((at) => join(at, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`this test needs ${name}: install the package ${debian}`);
  return found;
}

function dockerWords(dir: string, socket: string, group: string, hasBridge: boolean): readonly string[] {
  const paths = ['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec'), '--pidfile', join(dir, 'pid'), '-H', `unix://${socket}`];
  const networks = hasBridge ? [] : ['--bridge=none', '--iptables=false', '--ip-forward=false'];
  return [programAt('dockerd', 'docker.io'), ...paths, ...networks, `--cgroup-parent=/${group}`];
}

/** crun refuses a cgroup2 tree beside version 1, and the usual limits cannot be raised everywhere. */
function podmanWords(dir: string, socket: string): readonly string[] {
  const settings = [
    '[containers]',
    'default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]',
    '[engine]',
    `init_path = "${programAt('tini-static', 'tini')}"`,
    'runtime = "runc"',
    '[network]',
    'network_backend = "netavark"',
    `network_config_dir = "${join(dir, 'networks')}"`,
    '',
  ];
  writeFileSync(join(dir, 'containers.conf'), settings.join('\n'));
  const own = ['--root', join(dir, 'data'), '--runroot', join(dir, 'exec'), '--tmpdir', join(dir, 'tmp')];
  const how = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'file'];
  return [programAt('podman', 'podman'), ...own, ...how, 'system', 'service', '-t', '0', `unix://${socket}`];
}

async function gone(child: ChildProcess | null, end: () => unknown): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  end();
  await exited;
}

/** Those of the engine whose command line names its directory: daemons and shims. */
const processesIn = (dir: string): number[] =>
  listProcesses()
    .filter(({ pid }) => pid !== process.pid && (readProcFile(`/proc/${pid}/cmdline`) ?? '').includes(dir))
    .map(({ pid }) => pid);
