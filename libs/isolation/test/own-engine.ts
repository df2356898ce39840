/**
 * A Docker daemon of a test's own: in a network namespace of its own, with its own directories, socket and control groups, so that it
 * meets neither another daemon nor the machine's network. All of it is gone when the test is over.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { probeEngine } from '../src/index.js';
import { groupTree, removeTree } from '../src/cgroup-driver.js';
import { listProcesses, readProcFile, signalProcess } from '../src/proc.js';
import { parseCgroupMounts } from '../src/probe-runtimes.js';
import { fillRootfs } from './busybox-image.js';

const run = promisify(execFile);
const LOG_TAIL = 2_000;
const START_TIMEOUT_MS = 60_000;
const LOOK_AGAIN_MS = 20;
export const TEST_IMAGE = 'ekiden-test:latest';

export interface OwnEngine {
  readonly socket: string;
  /** A call of its own program. */
  docker(...args: string[]): Promise<string>;
  /** SIGKILL to the daemon, and to nothing else. */
  kill(): Promise<void>;
  /** After a kill: the same daemon again. */
  start(...options: string[]): Promise<void>;
  /** Ends all; answers what is left of it, which should be nothing. */
  end(): Promise<readonly string[]>;
}

let engines = 0;

/** Ready, with an image of the machine's busybox. It has no network of its own for containers, so it may be in that of the machine. Throws naming the package when something is missing. */
export async function openOwnEngine(network: 'own' | 'machine' = 'own'): Promise<OwnEngine> {
  const dockerd = ['/usr/sbin/dockerd', '/usr/bin/dockerd'].find((path) => existsSync(path));
  if (dockerd === undefined) throw new Error('this test needs dockerd: install the package docker.io');
  const dir = mkdtempSync(join(tmpdir(), 'ekiden-engine-'));
  engines += 1;
  const group = `ekiden-engine-${process.pid}-${engines}`;
  const socket = join(dir, 'docker.sock');
  const docker = async (...args: string[]): Promise<string> => (await run('docker', ['-H', `unix://${socket}`, ...args])).stdout.trim();
  let daemon: ChildProcess | null = null;
  // Holds the namespaces open from one daemon to the next: all that they mount is gone with it.
  const keeper = spawn('unshare', [...(network === 'own' ? ['--net'] : []), '--mount', '--propagation', 'private', '--', 'sleep', 'infinity'], {
    stdio: 'ignore',
  });
  const pidOf = (name: string): number => Number(readFileSync(join(dir, name), 'utf8'));

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
      const paths = ['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec'), '--pidfile', join(dir, 'pid'), '-H', `unix://${socket}`];
      const log: string[] = [];
      const own = ['--bridge=none', '--iptables=false', '--ip-forward=false', `--cgroup-parent=/${group}`];
      const started = spawn('nsenter', ['--net', '--mount', '--target', String(keeper.pid), '--', dockerd, ...paths, ...own, ...more], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, DOCKER_RAMDISK: '1' },
      });
      started.stderr.on('data', (chunk: Buffer) => log.push(chunk.toString()));
      daemon = started;
      while ((await probeEngine([socket])).kind !== 'ready') {
        if (started.exitCode !== null || performance.now() > deadline) throw new Error(`dockerd does not answer: ${log.join('').slice(-LOG_TAIL)}`);
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    },
    async kill() {
      await gone(daemon, () => signalProcess(pidOf('pid'), 'SIGKILL'));
      // Where nobody collects the containerd that died with it, its zombie would be taken for the living one.
      for (const file of ['pid', 'exec/containerd/containerd.pid']) rmSync(join(dir, file), { force: true });
    },
    async end() {
      if (daemon !== null && daemon.exitCode === null && daemon.signalCode === null) {
        const containers = (await docker('ps', '-aq').catch(() => '')).split('\n').filter((id) => id !== '');
        if (containers.length > 0) await docker('rm', '-f', ...containers).catch(() => '');
        await gone(daemon, () => signalProcess(pidOf('pid'), 'SIGTERM'));
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
