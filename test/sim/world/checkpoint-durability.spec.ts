/**
 * The agent's checkpoints against the virtual disk: after any operations, a power cut at any point, deaths of the agent, a full disk and
 * failing syncs, what the store has called durable is there, and nothing that was never asked for.
 */
import { agentId, taskId } from '@ekiden/model';
import { aRecord } from '../../../apps/agent/test/a-record.js';
import type { CheckpointStore } from '../../../apps/agent/src/agent-ports.js';
import { fsCheckpointStore } from '../../../apps/agent/src/checkpoint/fs-checkpoint-store.js';
import { Chance } from './chance.js';
import { VirtualClock } from './virtual-clock.js';
import { VirtualDisk } from './virtual-disk.js';

const SEEDS = 12;
const OPERATIONS = 14;
const AGENT = 'the agent';
const TASKS = ['a', 'b', 'c'] as const;
/** Some records are so big that the journal writes its file anew. */
const BIG = 'x'.repeat(400_000);

/** The number that was saved for a key, null: removed or never there. */
type Value = number | null;

/** What may be found of one key: what was last promised, and whatever was asked for since. */
class Possible {
  promised: Value = null;
  private since: { readonly value: Value; readonly at: number }[] = [];

  asked(value: Value, at: number): void {
    this.since.push({ value, at });
  }

  promise(value: Value, at: number): void {
    this.promised = value;
    this.since = this.since.filter((one) => one.at > at);
  }

  get all(): Value[] {
    return [this.promised, ...this.since.map(({ value }) => value)];
  }

  /** What is read after a power cut is durable. */
  settle(value: Value): void {
    this.promised = value;
    this.since = [];
  }
}

class Run {
  readonly clock = new VirtualClock();
  readonly chance: Chance;
  readonly disk: VirtualDisk;
  steps = 0;
  isAlive = true;
  private store!: CheckpointStore;
  private readonly keys = new Map<string, Possible>();
  private count = 0;
  private readonly isBig: boolean;
  private wasCut = false;

  constructor(
    seed: number,
    private readonly cutAt: number,
  ) {
    this.chance = new Chance(seed);
    this.isBig = seed % 6 === 5;
    this.disk = new VirtualDisk(this.clock, new Chance(seed + cutAt * 1_000));
    this.disk.syncMs = () => this.chance.int(1, 3);
  }

  async start(): Promise<void> {
    this.isAlive = true;
    const life = { isAlive: true };
    const disk = this.disk.mount(
      () => life.isAlive && this.isAlive,
      () => {
        if (++this.steps !== this.cutAt) return;
        this.isAlive = false;
        this.powerCut();
      },
    );
    this.killAgent = () => (life.isAlive = false);
    this.store = fsCheckpointStore('/w', disk);
    const loading = this.store.load();
    await this.clock.run(20);
    if (!this.isAlive) return;
    const { agent, tasks } = await loading;
    const found = new Map<string, number>([...(agent === null ? [] : ([[AGENT, agent.masterEpoch]] as const)), ...tasks.map((one) => [one.task.task_id.value, one.launchedAt] as const)]); // prettier-ignore
    for (const key of [AGENT, ...TASKS]) {
      const value = found.get(key) ?? null;
      expect({ key, value, of: this.key(key).all }).toEqual({ key, value, of: expect.arrayContaining([value]) as unknown });
      if (this.wasCut) this.key(key).settle(value);
    }
    if (this.wasCut) this.removed.clear();
    this.wasCut = false;
  }

  killAgent: () => void = () => undefined;

  powerCut(): void {
    this.killAgent();
    this.wasCut = true;
    this.disk.powerCut();
  }

  async operate(): Promise<void> {
    const { chance } = this;
    const act = chance.weighted<() => unknown>([
      [8, () => this.save(chance.pick(TASKS))],
      [3, () => TASKS.forEach((id) => this.save(id))],
      [4, () => this.remove(chance.pick(TASKS))],
      [3, () => Array.from({ length: chance.int(1, 2) }, () => this.saveAgent())],
      [1, () => this.disk.fill(chance.pick([0, 700, 500_000]))],
      [1, () => void (this.disk.syncError = 'I/O error')],
      [3, () => this.mend()],
      [2, () => (this.killAgent(), this.start())],
    ]);
    await act();
    await this.clock.run(chance.pick([0, 1, 2, 10]));
  }

  mend(): void {
    this.disk.mend();
    this.disk.syncMs = () => this.chance.int(1, 3);
  }

  /** A removal is durable with the next save: then it is promised too. */
  private readonly removed = new Set<string>();

  private save(id: string): void {
    const value = ++this.count;
    const gone = [...this.removed];
    const record = aRecord(id, value);
    const big = this.isBig && this.chance.hit(0.3) ? { ...record, sandbox: BIG } : record;
    this.ask(id, value, this.store.saveTask(big), () => {
      this.removed.delete(id);
      for (const other of gone) if (this.removed.delete(other)) this.key(other).promise(null, value);
    });
  }

  private saveAgent(): void {
    const value = ++this.count;
    this.ask(AGENT, value, this.store.saveAgent({ v: 1, agentId: agentId('a'), bootId: 'b', masterEpoch: value }), () => undefined);
  }

  private remove(id: string): void {
    const at = ++this.count;
    this.removed.delete(id);
    const possible = this.key(id);
    possible.asked(null, at);
    const { killAgent } = this;
    this.store.removeTask(taskId(id)).then(
      () => killAgent === this.killAgent && this.isAlive && this.removed.add(id),
      () => undefined,
    );
  }

  private ask(key: string, value: number, saved: Promise<void>, then: () => void): void {
    this.removed.delete(key);
    this.key(key).asked(value, value);
    const { killAgent } = this;
    saved.then(
      () => {
        if (killAgent !== this.killAgent || !this.isAlive) return;
        this.key(key).promise(value, value);
        then();
      },
      () => undefined,
    );
  }

  private key(name: string): Possible {
    const possible = this.keys.get(name) ?? new Possible();
    this.keys.set(name, possible);
    return possible;
  }
}

/** Answers how many points there were for a power cut. */
async function run(seed: number, cutAt: number): Promise<number> {
  const one = new Run(seed, cutAt);
  await one.start();
  for (let i = 0; i < OPERATIONS; i += 1) {
    if (!one.isAlive) {
      one.mend();
      await one.start();
    }
    await one.operate();
  }
  one.powerCut();
  one.mend();
  await one.start();
  return one.steps;
}

it.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
  'what was called durable is there after a power cut at any point (seed %d)',
  async (seed) => {
    const points = await run(seed, 0);
    for (let cutAt = 1; cutAt <= points; cutAt += 1) {
      try {
        await run(seed, cutAt);
      } catch (error) {
        throw new Error(`a power cut at step ${cutAt} of ${points}: ${String(error)}`, { cause: error });
      }
    }
  },
  60_000,
);
