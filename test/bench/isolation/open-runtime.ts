/** The runtimes of libs/isolation as the benchmark opens them, each with what it needs: control groups, an image, an engine of our own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createEngineRuntime,
  createRuntime,
  probeContainers,
  probeEngine,
  probeRuntimes,
  type CgroupDriver,
  type ContainerImage,
  type ContainerMachine,
  type TaskRuntime,
} from '@ekiden/isolation';
import type { Log } from '@ekiden/model';
import { busyboxImage } from '../../../libs/isolation/test/busybox-image.js';
import { openOwnEngine, testImageOf } from '../../../libs/isolation/test/own-engine.js';
import { eventually } from '../../e2e/ekiden.js';
import { descendantsOf, parentOf } from '../processes.js';

export const RUNTIMES = ['process', 'cgroup', 'oci', 'docker'] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

export type AskedRuntime = Pick<TaskRuntime, 'launch' | 'recover' | 'kill' | 'onExit' | 'stats' | 'exec' | 'forget' | 'sweep'> & { close(): void };

export interface OpenedRuntime {
  /** One more each time, as after an agent's restart. */
  open(): AskedRuntime;
  /** What tasks run in; null: they are host commands. */
  readonly image: ContainerImage | null;
  /** What stands beside tasks, or above them. `pids`: as the launches answered. */
  helpers(pids: readonly number[]): readonly number[];
  /** What it was opened for is over. */
  end(): Promise<void>;
}

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
/** Supervisors, the forker, and in a container its runtime and its init. */
const HELPERS: ReadonlySet<string> = new Set(['sh', 'dash', 'crun', 'runc', 'init']);

/** Throws with the reason where this machine cannot carry that runtime. */
export async function openRuntime(name: RuntimeName, instance: string): Promise<OpenedRuntime> {
  return name === 'docker' ? await openDocker(instance) : await openSupervised(name, instance);
}

async function openSupervised(name: Exclude<RuntimeName, 'docker'>, instance: string): Promise<OpenedRuntime> {
  const { cgroup, reasons } = await probeRuntimes();
  if (name !== 'process' && cgroup === null) throw new Error(reasons.join('; '));
  const driver = name === 'process' ? null : cgroup;
  const { image, containers, clear } = name === 'oci' ? await openImage() : { image: null, containers: null, clear: () => undefined };
  return {
    image,
    open: () => createRuntime({ kind: driver === null ? 'process' : 'cgroup', driver, instance, log: silent, containers }),
    helpers: () => descendantsOf(process.pid).flatMap(({ pid, program }) => (HELPERS.has(program) ? [pid] : [])),
    async end() {
      if (driver !== null) await removed(driver, instance);
      clear();
    },
  };
}

async function openImage(): Promise<{ readonly image: ContainerImage; readonly containers: ContainerMachine; readonly clear: () => void }> {
  const dir = mkdtempSync(join(tmpdir(), 'ekiden-bench-image-'));
  const clear = (): void => rmSync(dir, { recursive: true, force: true });
  const probed = await probeContainers(dir);
  if (probed.kind === 'ready') return { image: busyboxImage(dir), containers: probed.machine, clear };
  clear();
  throw new Error(probed.reasons.join('; '));
}

const removed = (driver: CgroupDriver, instance: string): Promise<unknown> =>
  eventually('the control group is removed', () => driver.remove(`ekiden/${instance}`));

async function openDocker(instance: string): Promise<OpenedRuntime> {
  const engine = await openOwnEngine();
  const end = async (): Promise<void> => {
    const left = await engine.end();
    if (left.length > 0) throw new Error(`left over: ${left.join(', ')}`);
  };
  try {
    const probed = await probeEngine([engine.socket]);
    if (probed.kind === 'missing') throw new Error(probed.reasons.join('; '));
    const image = await testImageOf(engine);
    return {
      image,
      open: () => createEngineRuntime({ engine: () => probed, instance, log: silent }),
      // The engine's shim is the parent of the container's init.
      helpers: (pids) => pids.flatMap((pid) => [pid, parentOf(pid)]),
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}
