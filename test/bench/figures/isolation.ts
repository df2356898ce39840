/** What each runtime costs, beside `docker run` and `podman run` where these are installed: launches, their ends, memory. */
import type { Context, Figure, Sample } from '../context.js';
import type { ContenderName } from '../contender.js';
import { Engine, NotInstalled, type EngineName } from '../isolation/engine.js';
import { MeasuredRuntime, p50, p99 } from '../isolation/measured-runtime.js';
import { RUNTIMES, type RuntimeName } from '../isolation/open-runtime.js';
import { memoryOf } from '../processes.js';

const ENGINES = ['docker', 'podman'] as const;
const BURST = 100;
const LAUNCHES = 100;
const QUICK_LAUNCHES = 20;
const ENDS = 20;
/** An engine is slow enough for few to tell: of launches, and of ends. */
const ENGINE_BURST = 20;
const ENGINE_LAUNCHES = 20;
const ENGINE_QUICK_LAUNCHES = 4;
const ENGINE_ENDS = 5;
/** More at once only wait for one another. */
const ENGINE_PARALLEL = 4;

export const isolation: Figure = {
  name: 'isolation',
  isAlone: true,
  async run(context: Context) {
    const runtimes = await openAll(context, RUNTIMES, (name) => MeasuredRuntime.open(name));
    const engines = await openAll(context, ENGINES, (name) => Engine.open(name));
    for (let round = 0; round < context.rounds; round += 1) {
      for (const runtime of runtimes) await guarded(context, runtime.name, () => measureRuntime(context, runtime));
      for (const engine of engines) await guarded(context, engine.name, () => measureEngine(context, engine));
    }
  },
};

async function openAll<Name extends RuntimeName | EngineName, T extends { end(): Promise<void> }>(
  context: Context,
  names: readonly Name[],
  open: (name: Name) => Promise<T>,
): Promise<T[]> {
  const opened: T[] = [];
  for (const name of names) {
    try {
      const one = await open(name);
      context.endings.add(name, () => one.end());
      opened.push(one);
    } catch (error) {
      context.note(error instanceof NotInstalled ? error.message : `${name} did not come up: ${reasonOf(error)}`);
    }
  }
  return opened;
}

/** That one cannot be measured keeps nobody else. */
async function guarded(context: Context, name: string, measure: () => Promise<void>): Promise<void> {
  try {
    await measure();
  } catch (error) {
    context.note(`isolation: ${name}: ${reasonOf(error)}`);
  }
}

const sampler =
  (context: Context, of: ContenderName) =>
  (what: string, value: number, unit: Sample['unit'] = 'ms'): void =>
    context.sample({ figure: 'isolation', what, unit, of, value });

async function measureRuntime(context: Context, runtime: MeasuredRuntime): Promise<void> {
  const say = sampler(context, runtime.name);
  const { launchCount, burstCount, endCount } = sizesFor(context, runtime.name);
  const launches = await runtime.oneByOne(launchCount);
  say('a launch, p50', p50(launches));
  say('a launch, p99', p99(launches));
  const burst = await runtime.burst(burstCount);
  say(`${burstCount} at once`, burst.ms);
  say('a launch among many', burst.ms / burstCount);
  say('a task: helpers, PSS', burst.helperPssMib, 'MiB');
  say(`statistics of ${burstCount}`, burst.statisticsMs);
  say(`${burstCount} found again after a restart`, burst.recoveryMs);
  say('kill of a group of 11 → nobody left, p50', p50(await runtime.groupKills(endCount)));
  say('end → known, p50', p50(await runtime.exits(endCount)));
  say('a command in a task, p50', p50(await runtime.commands(launchCount)));
}

function sizesFor({ quick }: Context, name: RuntimeName): { readonly launchCount: number; readonly burstCount: number; readonly endCount: number } {
  if (name !== 'docker') return { launchCount: quick ? QUICK_LAUNCHES : LAUNCHES, burstCount: BURST, endCount: ENDS };
  return { launchCount: quick ? ENGINE_QUICK_LAUNCHES : ENGINE_LAUNCHES, burstCount: quick ? ENGINE_BURST : BURST, endCount: ENGINE_ENDS };
}

async function measureEngine(context: Context, engine: Engine): Promise<void> {
  const say = sampler(context, `${engine.name} run`);
  const count = context.quick ? ENGINE_QUICK_LAUNCHES : ENGINE_LAUNCHES;
  const launches: number[] = [];
  const ids: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const { id, ms } = await engine.launch();
    ids.push(id);
    launches.push(ms);
  }
  say('a launch, p50', p50(launches));
  say('a launch, p99', p99(launches));
  const helpers = await Promise.all(ids.map((id) => engine.helperOf(id)));
  say('a task: helpers, PSS', helpers.reduce((sum, pid) => sum + memoryOf(pid).pssMib, 0) / ids.length, 'MiB');
  const commands: number[] = [];
  for (const id of ids) commands.push(await engine.inContainer(id));
  say('a command in a task, p50', p50(commands));
  const [toKill, toEnd] = [ids.slice(0, ENGINE_ENDS), ids.slice(ENGINE_ENDS, 2 * ENGINE_ENDS)];
  const kills: number[] = [];
  for (const id of toKill) kills.push(await engine.untilOver(id, () => engine.kill(id)));
  say('kill of a container → gone, p50', p50(kills));
  const ends: number[] = [];
  for (const id of toEnd) {
    const pid = await engine.mainPid(id);
    ends.push(await engine.untilOver(id, () => void process.kill(pid, 'SIGKILL')));
  }
  if (ends.length > 0) say('end → known, p50', p50(ends));
  await engine.clear();
  const began = performance.now();
  for (let at = 0; at < count; at += ENGINE_PARALLEL) await Promise.all(Array.from({ length: Math.min(ENGINE_PARALLEL, count - at) }, () => engine.launch()));
  say('a launch among many', (performance.now() - began) / count);
  await engine.clear();
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
