/**
 * A container engine as people use it: `docker run`, `podman run`, from the command to its answer that the container runs.
 *
 * Docker's daemon is one of our own, in a network namespace of its own and with its own directories, so that it meets neither another
 * daemon nor the machine's network. Containers have no network: it would cost both engines more.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../../e2e/ekiden.js';
import { parentOf } from '../processes.js';
import { makeBundle, PROGRAM } from './bundle.js';
import { removeEmptyGroups } from './empty-groups.js';

const run = promisify(execFile);
const IMAGE = 'ekiden-bench';
const GROUP = 'ekiden-bench';

export type EngineName = 'docker' | 'podman';

/** What is not there, and how to get it. */
export class NotInstalled extends Error {}

export class Engine {
  private readonly containers = new Set<string>();

  private constructor(
    readonly name: EngineName,
    private readonly dir: string,
    private readonly command: string,
    private readonly args: readonly string[],
    private readonly env: NodeJS.ProcessEnv,
    private readonly daemon: ChildProcess | null,
  ) {}

  static async open(name: EngineName): Promise<Engine> {
    const command = programOf(name);
    const needed = name === 'docker' ? programOf('dockerd') : command;
    if (command === null || needed === null)
      throw new NotInstalled(`${name}: not installed: apt-get install ${name === 'docker' ? 'docker.io' : 'podman runc'}`);
    const dir = mkdtempSync(join(tmpdir(), `ekiden-bench-${name}-`));
    const engine = name === 'docker' ? await openDocker(dir, command, needed) : openPodman(dir, command);
    try {
      await engine.call('import', makeBundle(dir), IMAGE);
    } catch (error) {
      await engine.end();
      throw error;
    }
    return engine;

    async function openDocker(at: string, client: string, server: string): Promise<Engine> {
      const socket = join(at, 'docker.sock');
      const paths = ['--data-root', join(at, 'data'), '--exec-root', join(at, 'exec'), '--pidfile', join(at, 'pid'), '-H', `unix://${socket}`];
      const log: string[] = [];
      const daemon = spawn('unshare', ['--net', '--', server, ...paths, '--bridge=none', '--iptables=false', `--cgroup-parent=/${GROUP}`], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, DOCKER_RAMDISK: '1' },
      });
      daemon.stderr.on('data', (chunk: Buffer) => log.push(chunk.toString()));
      const made = new Engine('docker', at, client, ['-H', `unix://${socket}`], process.env, daemon);
      await eventually('dockerd answers', async () => {
        if (daemon.exitCode !== null) throw new Error(`dockerd ended: ${log.join('').slice(-LOG_TAIL)}`);
        return existsSync(socket) && (await made.call('version').catch(() => null)) !== null;
      });
      return made;
    }

    function openPodman(at: string, client: string): Engine {
      const config = join(at, 'containers.conf');
      // A machine without CAP_SYS_RESOURCE cannot give the ulimits that podman asks for by itself.
      writeFileSync(config, '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n');
      const policy = join(at, 'policy.json');
      writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
      mkdirSync(join(at, 'tmp'));
      const runc = programOf('runc');
      const paths = ['--root', join(at, 'root'), '--runroot', join(at, 'runroot'), '--tmpdir', join(at, 'tmp')];
      const ways = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', ...(runc === null ? [] : ['--runtime', runc])];
      return new Engine('podman', at, client, [...paths, ...ways], { ...process.env, CONTAINERS_CONF: config, TMPDIR: join(at, 'tmp') }, null);
    }
  }

  /** Until the engine says that the container runs. */
  async launch(): Promise<{ readonly id: string; readonly ms: number }> {
    const began = performance.now();
    const id = (await this.call('run', '-d', '--network=none', '--cpus=0.5', '--memory=32m', `--cgroup-parent=/${GROUP}`, IMAGE, PROGRAM, '100000')).trim();
    const ms = performance.now() - began;
    this.containers.add(id);
    return { id, ms };
  }

  /** A command in a running container, from the call to its end. */
  async inContainer(id: string): Promise<number> {
    const began = performance.now();
    await this.call('exec', id, PROGRAM, '0');
    return performance.now() - began;
  }

  async mainPid(id: string): Promise<number> {
    return Number((await this.call('inspect', '-f', '{{.State.Pid}}', id)).trim());
  }

  /** What stands beside a container: the engine's shim or monitor, its parent. */
  async helperOf(id: string): Promise<number> {
    return parentOf(await this.mainPid(id));
  }

  /** How long after `end` the engine has told a waiting client that the container is over. */
  async untilOver(id: string, end: () => Promise<unknown> | void): Promise<number> {
    const over = this.call('wait', id);
    await new Promise((resolve) => setTimeout(resolve, CLIENT_START_MS));
    const began = performance.now();
    await Promise.all([over, end()]);
    return performance.now() - began;
  }

  async kill(id: string): Promise<void> {
    await this.call('kill', '-s', 'KILL', id);
  }

  async clear(): Promise<void> {
    if (this.containers.size > 0) await this.call('rm', '-f', ...this.containers);
    this.containers.clear();
  }

  async end(): Promise<void> {
    await this.clear().catch(() => undefined); // the daemon may be gone; its end ends them too
    const { daemon } = this;
    if (daemon !== null && daemon.exitCode === null) {
      const gone = new Promise((resolve) => daemon.once('exit', resolve));
      process.kill(Number(readFileSync(join(this.dir, 'pid'), 'utf8')), 'SIGTERM');
      await gone;
    }
    await eventually('its directory is removed', async () => {
      // podman mounts its store onto itself, and what it leaves to clean up after a container does so again.
      if (this.name === 'podman') await run('umount', [join(this.dir, 'root/overlay')]).catch(() => undefined);
      rmSync(this.dir, { recursive: true, force: true });
      return true;
    });
    removeEmptyGroups(this.name === 'podman' ? [GROUP, 'libpod_parent'] : [GROUP]);
  }

  private async call(...args: string[]): Promise<string> {
    const { stdout } = await run(this.command, [...this.args, ...args], { env: this.env });
    return stdout;
  }
}

const LOG_TAIL = 500;
/** A client that waits has to be at its waiting before the end comes; what it takes more than that counts for the engine. */
const CLIENT_START_MS = 500;

/** In PATH; the first is taken. */
function programOf(name: string): string | null {
  const dirs = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return dirs.map((dir) => join(dir, name)).find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
