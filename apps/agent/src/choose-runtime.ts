/** Takes the best runtime of this machine, or the one that was asked for, or refuses with what is missing. */
import { createHash } from 'node:crypto';
import type { RuntimeReport } from '@ekiden/agent-link';
import {
  compositeRuntime,
  createEngineRuntime,
  createRuntime,
  probeRuntimes,
  SAFE_DEFAULTS,
  type CapabilitySet,
  type ReadyEngine,
  type SecurityDefaults,
  type SupervisedRuntime,
} from '@ekiden/isolation';
import type { Log } from '@ekiden/model';
import { OptionError } from '@ekiden/service';
import type { NetworkPort } from './agent-ports.js';
import { awaitEngine } from './await-engine.js';
import { findDocker, findImages, imagesRefused, type DockerRunner, type FoundImages } from './container-images.js';
import { findNetworks, type OfferedNetworks } from './container-networks.js';
import { bootId } from './machine.js';
import { parseCapabilities, type AgentOptions } from './options.js';
import { reportRuntimes, runtimeAttributes } from './report-runtimes.js';

type SecurityChoice = Pick<AgentOptions, 'taskCapabilities' | 'allowNewPrivileges' | 'privateTmp'>;

export interface ChosenRuntime {
  readonly runtime: SupervisedRuntime;
  readonly networks: NetworkPort;
  /** What there is now: a container engine may come later. */
  readonly now: () => FoundNow;
  /** Calls back once what there is has changed. Nothing is waited for when it will not. */
  awaitEngine(changed: () => void): { stop(): void };
}

export interface FoundNow {
  readonly images: FoundImages;
  readonly networks: OfferedNetworks;
  readonly report: readonly RuntimeReport[];
  /** For who places tasks. */
  readonly attributes: Readonly<Record<string, string>>;
}

export async function chooseRuntime(options: AgentOptions, workDir: string, log: Log): Promise<ChosenRuntime> {
  const wanted = options.runtime;
  const probed = await probeRuntimes();
  if (wanted === 'cgroup' && probed.chosen !== 'cgroup') {
    throw new OptionError(`--runtime cgroup is not possible on this machine: ${probed.reasons.join('; ')}. Use --runtime process, which enforces no limits`);
  }
  const kind = wanted === 'process' ? 'process' : probed.chosen;
  if (kind === 'process' && wanted === 'auto') log.warn('limits-not-enforced', { runtime: kind, reasons: probed.reasons });
  // Several agents share a host: each sweeps only what carries the name of its own work directory.
  const instance = createHash('sha256').update(workDir).digest('hex').slice(0, 12);
  let images = await findImages(options, workDir, kind === 'cgroup', log);
  const withoutImages = imagesRefused(images);
  if (withoutImages !== null) log.info('no-images', { why: withoutImages });
  const { runner } = images;
  const containers = runner?.by === 'oci' ? runner.machine : null;
  const defaults = securityDefaults(options);
  const hardCpu = !options.softCpus;
  const host = createRuntime({ kind, driver: kind === 'cgroup' ? probed.cgroup : null, instance, log, containers, defaults, hardCpu });
  refuseMissing(host, options);
  warnOfMissing(host, log);
  const engine = (): ReadyEngine | null => (images.runner?.by === 'docker' ? images.runner.engine : null);
  tellEngine(engine(), log);
  // Also without an engine: what an earlier agent has started with one is found again.
  const runtime = compositeRuntime(host, createEngineRuntime({ engine, instance, log, hardCpu }));
  const place = { workDir, instance, bootId: bootId(), hasOwnImages: containers !== null, engine, withoutImages: () => imagesRefused(images) ?? '' };
  const networks = await findNetworks(options, place, log);
  const offered = networks.offered();
  if (offered.kind === 'none' && withoutImages === null) log.info('no-networks', { why: offered.why });
  const now = (): FoundNow => {
    const found = { used: kind, abilities: host.abilities ?? null, withoutGroups: probed.reasons, images, networks: networks.offered() };
    return { images, networks: found.networks, report: reportRuntimes(found), attributes: runtimeAttributes(found) };
  };
  return {
    runtime,
    networks: networks.port,
    now,
    awaitEngine(changed) {
      const mayCome = runner === null && ['auto', 'docker'].includes(options.imageRuntime);
      if (!mayCome) return { stop: () => undefined };
      const found = (later: DockerRunner): void => {
        images = { runner: later, reasons: { ...images.reasons, docker: [] } };
        tellEngine(later.engine, log);
        changed();
      };
      return awaitEngine(() => findDocker(options, workDir, log), found, log);
    },
  };
}

function tellEngine(engine: ReadyEngine | null, log: Log): void {
  if (engine !== null) log.info('container-engine', { title: engine.title, socket: engine.socket });
}

function securityDefaults({ taskCapabilities, allowNewPrivileges, privateTmp }: SecurityChoice): SecurityDefaults {
  return { rootCapabilities: rootCapabilities(taskCapabilities), noNewPrivs: !allowNewPrivileges, privateTmp };
}

function rootCapabilities(names: readonly string[] | null): CapabilitySet {
  if (names === null) return SAFE_DEFAULTS.rootCapabilities;
  const parsed = parseCapabilities('--task-capabilities', names, 'all', 'none');
  return parsed.includes('all') ? 'all' : parsed.filter((name) => name !== 'none');
}

/** What the operator has asked for in so many words is there, or the agent does not start. */
function refuseMissing({ abilities }: SupervisedRuntime, { taskCapabilities, privateTmp }: SecurityChoice): void {
  const capabilities = taskCapabilities === null || taskCapabilities.includes('all') ? null : abilities?.capabilities;
  if (capabilities != null) throw new OptionError(`--task-capabilities is not possible: ${capabilities}`);
  if (privateTmp && abilities?.['private-tmp'] != null) throw new OptionError(`--private-tmp is not possible: ${abilities['private-tmp']}`);
}

/** A default that is not kept is no secret. Without root there is nothing to take away. */
function warnOfMissing({ abilities }: SupervisedRuntime, log: Log): void {
  const isRoot = process.geteuid?.() === 0;
  const missing = [isRoot ? abilities?.capabilities : null, abilities?.['no-new-privs']].filter((why) => why != null);
  if (missing.length > 0) log.warn('task-rights-not-reduced', { reasons: missing });
}
