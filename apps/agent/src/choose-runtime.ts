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
  type SecurityDefaults,
  type SupervisedRuntime,
} from '@ekiden/isolation';
import type { Log } from '@ekiden/model';
import { OptionError } from '@ekiden/service';
import { findImages, imagesRefused, type FoundImages } from './container-images.js';
import { findNetworks, type FoundNetworks } from './container-networks.js';
import { bootId } from './machine.js';
import { parseCapabilities, type AgentOptions } from './options.js';
import { reportRuntimes, runtimeAttributes } from './report-runtimes.js';

type SecurityChoice = Pick<AgentOptions, 'taskCapabilities' | 'allowNewPrivileges' | 'privateTmp'>;

export interface ChosenRuntime {
  readonly runtime: SupervisedRuntime;
  readonly images: FoundImages;
  readonly networks: FoundNetworks;
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
  const images = await findImages(options, workDir, kind === 'cgroup', log);
  const withoutImages = imagesRefused(images);
  if (withoutImages !== null) log.info('no-images', { why: withoutImages });
  const { runner } = images;
  const containers = runner?.by === 'oci' ? runner.machine : null;
  const defaults = securityDefaults(options);
  const hardCpu = !options.softCpus;
  const host = createRuntime({ kind, driver: kind === 'cgroup' ? probed.cgroup : null, instance, log, containers, defaults, hardCpu });
  refuseMissing(host, options);
  warnOfMissing(host, log);
  const engine = runner?.by === 'docker' ? runner.engine : null;
  if (engine !== null) log.info('container-engine', { title: engine.title, socket: engine.socket });
  // Also without an engine: what an earlier agent has started with one is found again.
  const runtime = compositeRuntime(host, createEngineRuntime({ engine: () => engine, instance, log, hardCpu }));
  const byWhom = engine ?? (runner === null ? { kind: 'none' as const, why: withoutImages ?? '' } : 'oci');
  const networks = await findNetworks(options, { workDir, instance, bootId: bootId(), runner: byWhom }, log);
  const { offered } = networks;
  if (offered.kind === 'none' && withoutImages === null) log.info('no-networks', { why: offered.why });
  const found = { used: kind, abilities: host.abilities ?? null, withoutGroups: probed.reasons, images, networks: offered };
  return { runtime, images, networks, report: reportRuntimes(found), attributes: runtimeAttributes(found) };
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
