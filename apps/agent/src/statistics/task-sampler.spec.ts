import type { TaskStatistics } from '@ekiden/isolation';
import { taskId } from '@ekiden/model';
import { silentLog } from '@ekiden/service';
import { SIM_EPOCH, VirtualClock } from '../../../../test/sim/world/virtual-clock.js';
import { AgentBench } from '../../test/agent-bench.js';
import type { HistoryStore } from '../agent-ports.js';
import type { LiveTask } from '../tasks/live-task.js';
import { SlotRing, type Measured } from './slot-ring.js';
import { LOOK_MS, MAX_HISTORIES, SAVE_EVERY_ROUNDS, TaskSampler } from './task-sampler.js';
import { DAY_MS, MINUTE_MS } from './task-history.js';

const T = taskId('t1');
const MIB = 1024 * 1024;
const HOUR_MS = 60 * MINUTE_MS;

jest.setTimeout(60_000); // virtual days, on machines that have more to do

const uses = (cpuSecs: number, more: Partial<TaskStatistics> = {}): TaskStatistics => ({
  cpu: { totalSecs: cpuSecs, userSecs: cpuSecs, systemSecs: 0 },
  throttling: null,
  memory: { rssBytes: 8 * MIB, workingSetBytes: 8 * MIB, cacheBytes: 0, totalBytes: 8 * MIB, swapBytes: 0, peakBytes: null, limitBytes: null },
  io: null,
  processes: 1,
  threads: 1,
  ...more,
});

function memoryStore(): HistoryStore & { text: string | null; saves: number } {
  const store = {
    text: null as string | null,
    saves: 0,
    load: () => Promise.resolve(store.text),
    save: (text: string) => {
      store.text = text;
      store.saves += 1;
      return Promise.resolve();
    },
  };
  return store;
}

/** A sampler over tasks that use what `use` says; `asked` has the tasks of each look. */
function measured(use: (now: number) => TaskStatistics, store?: HistoryStore, clock = new VirtualClock()) {
  const asked: string[][] = [];
  const warned: string[] = [];
  const running = new Map<string, LiveTask>();
  const sampler = new TaskSampler({
    clock,
    log: { ...silentLog, warn: (event) => warned.push(event) },
    runtime: {
      stats: (ids) => {
        asked.push([...ids]);
        return new Map(ids.map((id) => [id, use(clock.now())]));
      },
    },
    store,
    tasks: () => [...running.values()],
  });
  return {
    clock,
    sampler,
    asked,
    warned,
    run: (id = T, startedAt = clock.now()) => running.set(id, { taskId: id, record: { stage: 'running', startedAt } } as LiveTask),
    end: (id = T) => running.delete(id),
  };
}

describe('what tasks use', () => {
  it('is looked at once for all of them, and not again within a second', async () => {
    const { clock, sampler, asked, run } = measured(() => uses(1));
    run();
    run(taskId('t2'));
    expect([...sampler.look().tasks.keys()]).toEqual(['t1', 't2']);
    sampler.look();
    expect(asked).toEqual([['t1', 't2']]);
    await clock.run(LOOK_MS);
    sampler.look();
    expect(asked).toHaveLength(2);
  });

  it('is looked at the rarer the longer it takes', () => {
    let now = 0;
    let asked = 0;
    const stats = () => ((now += 300), (asked += 1), new Map());
    const task = { taskId: T, record: { stage: 'running', startedAt: 0 } } as LiveTask;
    const clock = { now: () => now, after: () => ({ cancel: () => undefined }) };
    const sampler = new TaskSampler({ clock, log: silentLog, runtime: { stats }, store: undefined, tasks: () => [task] });
    sampler.look();
    now = 5_999;
    sampler.look();
    expect(asked).toBe(1);
    now = 6_000;
    sampler.look();
    expect(asked).toBe(2);
  });

  it('costs nothing without tasks, and sets no timer without a store', async () => {
    const idle = measured(() => uses(1), memoryStore());
    await idle.sampler.start();
    await idle.clock.run(HOUR_MS);
    expect([idle.asked, idle.sampler.look().tasks.size]).toEqual([[], 0]);
    const quiet = measured(() => uses(1));
    quiet.run();
    await quiet.sampler.start();
    await quiet.clock.run(HOUR_MS);
    expect([quiet.asked, quiet.clock.steps, quiet.sampler.history(T)]).toEqual([[], 0, null]);
    expect(quiet.sampler.look().tasks.get(T)?.statistics.processes).toBe(1);
  });

  it('has a recent share: since its start, then since the look before', async () => {
    let cpuSecs = 0;
    const { clock, sampler, run } = measured(() =>
      uses(cpuSecs, {
        throttling: { periods: cpuSecs * 10, throttledPeriods: cpuSecs * 5, throttledSecs: 0 },
        io: { readBytes: 0, writtenBytes: cpuSecs * MIB },
      }),
    );
    run();
    await clock.run(4_000);
    cpuSecs = 2;
    expect(sampler.look().tasks.get(T)?.recent).toEqual({ secs: 4, cpus: 0.5, throttledShare: 0.5, readBytesPerSec: 0, writtenBytesPerSec: MIB / 2 });
    await clock.run(2_000);
    cpuSecs = 5;
    expect(sampler.look().tasks.get(T)?.recent).toMatchObject({ secs: 2, cpus: 1.5 });
    await clock.run(2_000);
    cpuSecs = 1; // a child that counted has ended unseen
    expect(sampler.look().tasks.get(T)?.recent).toMatchObject({ cpus: 0, throttledShare: null });
  });
});

describe('the history', () => {
  it('is an hour by the minute and a day by five minutes, and forgets what is older', async () => {
    const { clock, sampler, run } = measured(
      (now) => uses(now / 2_000, { memory: { ...uses(0).memory, workingSetBytes: ((now - SIM_EPOCH) / MINUTE_MS) * MIB } }),
      memoryStore(),
    );
    await sampler.start();
    await clock.run(30 * MINUTE_MS + 10_000);
    run(T, SIM_EPOCH); // ran before anybody measured
    const from = SIM_EPOCH + 31 * MINUTE_MS;
    await clock.run(3 * MINUTE_MS);
    const [hour, day] = sampler.history(T) ?? [];
    expect(hour).toMatchObject({ resolutionSecs: 60, from, cpus: [0.5, 0.5], throttledShare: [null, null], readBytesPerSec: [0, 0] });
    expect(day).toMatchObject({ resolutionSecs: 300, from: SIM_EPOCH + 30 * MINUTE_MS, cpus: [0.5], memoryBytes: [33 * MIB] });
    await clock.run(2 * DAY_MS);
    const [lastHour, lastDay] = sampler.history(T) ?? [];
    expect([lastHour?.cpus.length, lastDay?.cpus.length]).toEqual([60, 288]);
    expect(new Set([...(lastHour?.cpus ?? []), ...(lastDay?.cpus ?? [])])).toEqual(new Set([0.5]));
    expect((lastDay?.from ?? 0) + DAY_MS).toBeGreaterThan(clock.now() - 5 * MINUTE_MS);
  });

  it('of a task that has ended stays for a day', async () => {
    const { clock, sampler, run, end } = measured((now) => uses(now / 1_000), memoryStore());
    await sampler.start();
    run();
    await clock.run(10 * MINUTE_MS);
    end();
    await clock.run(HOUR_MS);
    expect(sampler.look().tasks.has(T)).toBe(false);
    expect(sampler.history(T)?.[1]?.cpus.length).toBeGreaterThan(0);
    await clock.run(DAY_MS);
    expect([sampler.history(T), sampler.size]).toEqual([null, 0]);
  });

  it('is kept of so many tasks: those that ended first go first, and what runs keeps its own', async () => {
    const { clock, sampler, run, end } = measured((now) => uses(now / 1_000), memoryStore());
    await sampler.start();
    const ids = Array.from({ length: MAX_HISTORIES }, (_, index) => taskId(`t${index}`));
    for (const id of ids) run(id);
    await clock.run(5 * MINUTE_MS);
    end(ids[3]);
    await clock.run(10 * MINUTE_MS);
    end(ids[1]);
    run(taskId('late'));
    await clock.run(5 * MINUTE_MS);
    const has = (id: string | undefined): boolean => sampler.history(taskId(id ?? '')) !== null;
    expect([sampler.size, has(ids[0]), has(ids[1]), has(ids[3]), has('late')]).toEqual([MAX_HISTORIES, true, true, false, true]);
    run(ids[3]);
    run(taskId('too-late'));
    await clock.run(5 * MINUTE_MS);
    expect([sampler.size, has(ids[1]), has('too-late')]).toEqual([MAX_HISTORIES, false, false]);
  });

  it('outlives the sampler: what was used while it was away is in the minute of the next one', async () => {
    const store = memoryStore();
    const first = measured((now) => uses(now / 1_000), store);
    await first.sampler.start();
    first.run();
    await first.clock.run(10 * MINUTE_MS);
    await first.sampler.stop();
    await first.clock.run(5 * MINUTE_MS);
    const next = measured((now) => uses(now / 1_000), store, first.clock);
    next.run(T, SIM_EPOCH);
    await next.sampler.start();
    await next.clock.run(2 * MINUTE_MS);
    expect(next.sampler.history(T)?.[0]?.cpus.slice(10)).toEqual([null, null, null, null, null, 1, 1]);
  });

  it('is written down now and then, and begun anew when it cannot be read', async () => {
    const store = memoryStore();
    const { clock, sampler, run } = measured(() => uses(1), store);
    await sampler.start();
    run();
    await clock.run(SAVE_EVERY_ROUNDS * MINUTE_MS);
    expect(store.saves).toBe(1);
    for (const text of ['{', '{"v":2,"tasks":[]}', store.text?.replace(/"values":"[^"]{4}/, '"values":"') ?? '']) {
      const other = measured(() => uses(1), { ...store, load: () => Promise.resolve(text) });
      await other.sampler.start();
      expect(other.warned).toEqual(['history-begun-anew']);
    }
  });

  it('goes on after the runtime could not answer', async () => {
    let fails = true;
    const { clock, sampler, run, warned } = measured((now) => {
      if (fails) throw new Error('no such file');
      return uses(now / 1_000);
    }, memoryStore());
    await sampler.start();
    run();
    await clock.run(3 * MINUTE_MS);
    expect([sampler.history(T), warned.length]).toEqual([null, 3]);
    fails = false;
    await clock.run(3 * MINUTE_MS);
    expect(sampler.history(T)?.[0]?.cpus).toEqual([1, 1]);
  });

  it('is kept by an agent from its start on, and written at its end', async () => {
    const store = memoryStore();
    const bench = new AgentBench();
    await bench.start({ history: store });
    await bench.launch('t1');
    await bench.clock.run(2 * MINUTE_MS);
    expect(bench.agent.sampler.history(T)?.[0]?.cpus).toEqual([0, 0]);
    await bench.agent.stop();
    expect(store.text).toContain('"t1"');
  });
});

describe('a ring of slots', () => {
  const secs = (value: number): Measured => ({
    secs: value,
    cpuSecs: value,
    periods: 0,
    throttledPeriods: 0,
    throttledSecs: 0,
    memoryBytes: value,
    readBytes: 0,
    writtenBytes: 0,
  });
  const all = (ring: SlotRing, from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => ring.read(from + index)?.secs ?? null);

  it('grows as it is used, turns round, and leaves gaps empty', () => {
    const ring = new SlotRing(20);
    for (let slot = 100; slot < 113; slot += 1) ring.add(slot, secs(slot));
    expect(all(ring, 99, 113)).toEqual([null, ...Array.from({ length: 13 }, (_, index) => 100 + index), null]);
    ring.add(125, secs(1));
    expect(all(ring, 104, 126)).toEqual([null, null, 106, 107, 108, 109, 110, 111, 112, ...Array.from({ length: 12 }, () => null), 1, null]);
    ring.add(125, secs(2));
    expect(ring.read(125)).toMatchObject({ secs: 3, memoryBytes: 2 });
    ring.add(90, secs(1)); // the clock went back
    expect(ring.span).toEqual({ oldest: 106, newest: 125 });
    ring.add(1_000, secs(4));
    expect([ring.span, ring.read(1_000)?.secs]).toEqual([{ oldest: 1_000, newest: 1_000 }, 4]);
  });

  it('is the same after it was stored', () => {
    const ring = new SlotRing(20);
    for (let slot = 5; slot < 40; slot += 3) ring.add(slot, secs(slot + 0.5));
    const stored = ring.store();
    const again = stored === null ? null : SlotRing.restore(20, stored);
    expect(again && all(again, 0, 45)).toEqual(all(ring, 0, 45));
    again?.add(41, secs(9));
    expect(again?.read(41)?.secs).toBe(9);
    expect(stored && SlotRing.restore(10, stored)).toBeNull();
  });
});
