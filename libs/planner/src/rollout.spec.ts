/** The worked examples of Marathon's roll-out arithmetic (its TaskReplaceActor, computed by hand), as a table. */
import { aSpec, HTTP_CHECK } from '../test/an-app.js';
import { RolloutSimulator, type Happening, type Start } from '../test/rollout-simulator.js';

interface Row {
  readonly name: string;
  readonly n: number;
  readonly m: number;
  readonly o: number;
  readonly old: number;
  readonly peak: number;
  readonly low: number;
  readonly isResident?: boolean;
}

const ROWS: readonly Row[] = [
  { name: 'default single', n: 1, m: 1, o: 1, old: 1, peak: 2, low: 1 },
  { name: 'single, no extra allowed but all wanted', n: 1, m: 1, o: 0, old: 1, peak: 2, low: 1 },
  { name: 'single, half', n: 1, m: 0.5, o: 0, old: 1, peak: 2, low: 1 },
  { name: 'single recreate', n: 1, m: 0, o: 0, old: 1, peak: 1, low: 0 },
  { name: 'single, kill and start together', n: 1, m: 0, o: 1, old: 1, peak: 2, low: 0 },
  { name: 'default four', n: 4, m: 1, o: 1, old: 4, peak: 8, low: 4 },
  { name: 'one at a time, extra', n: 4, m: 1, o: 0, old: 4, peak: 5, low: 4 },
  { name: 'half in place', n: 4, m: 0.5, o: 0, old: 4, peak: 4, low: 2 },
  { name: 'half plus half', n: 4, m: 0.5, o: 0.5, old: 4, peak: 6, low: 2 },
  { name: 'all at once', n: 4, m: 0, o: 0, old: 4, peak: 4, low: 0 },
  { name: 'all at once, double', n: 4, m: 0, o: 1, old: 4, peak: 8, low: 0 },
  { name: 'ceil bites', n: 3, m: 0.5, o: 0, old: 3, peak: 3, low: 2 },
  { name: 'fractions', n: 10, m: 0.75, o: 0.25, old: 10, peak: 12, low: 8 },
  { name: 'floor kills the over-capacity', n: 10, m: 0.9, o: 0.05, old: 10, peak: 10, low: 9 },
  { name: 'config change and scale down', n: 2, m: 1, o: 1, old: 5, peak: 5, low: 2 },
  { name: 'config change and scale down, half', n: 2, m: 0.5, o: 0, old: 5, peak: 5, low: 1 },
  { name: 'config change and scale up', n: 5, m: 1, o: 1, old: 2, peak: 7, low: 2 },
  { name: 'config change and scale up, half', n: 5, m: 0.5, o: 0, old: 2, peak: 5, low: 2 },
  { name: 'resident single', n: 1, m: 0.5, o: 0, old: 1, peak: 1, low: 0, isResident: true },
  { name: 'resident five, default', n: 5, m: 0.5, o: 0, old: 5, peak: 5, low: 3, isResident: true },
  { name: 'resident five, all wanted', n: 5, m: 1, o: 0, old: 5, peak: 5, low: 4, isResident: true },
];

const ORDERS: readonly (readonly Happening[])[] = [
  ['gone', 'launch', 'start', 'healthy'],
  ['launch', 'start', 'healthy', 'gone'],
  ['healthy', 'start', 'launch', 'gone'],
];

const startOf = ({ n, m, o, old, isResident }: Omit<Row, 'name' | 'peak' | 'low'>, oldHealthy = old): Start => ({
  spec: aSpec({ instances: n, healthChecks: [HTTP_CHECK], upgrade: { minimumHealthCapacity: m, maximumOverCapacity: o } }),
  old,
  oldHealthy,
  isResident: isResident ?? false,
});

describe('a roll-out in which every new instance gets healthy', () => {
  for (const row of ROWS) {
    for (const order of ORDERS) {
      it(`${row.name}: peak ${row.peak}, low ${row.low}, when ${order.join(' before ')}`, () => {
        const simulator = new RolloutSimulator(startOf(row));
        simulator.runInOrder(order);
        expect({ peak: simulator.peak, low: simulator.low }).toEqual({ peak: row.peak, low: row.low });
        expect(simulator.instances.map((one) => one.instance.id.slice(0, 3))).toEqual(Array.from({ length: row.n }, () => 'new'));
      });
    }
  }
});

describe('a roll-out away from instances whose health nobody ever learnt (Marathon stands still)', () => {
  for (const row of [
    { n: 4, m: 0.5, o: 0, old: 4 },
    { n: 1, m: 1, o: 0, old: 1 },
    { n: 1, m: 0, o: 0, old: 1 },
  ]) {
    for (const order of ORDERS) {
      it(`finishes with ${row.n} instances, m ${row.m}, o ${row.o}, when ${order.join(' before ')}`, () => {
        const simulator = new RolloutSimulator(startOf(row, 0));
        simulator.runInOrder(order);
        expect(simulator.lastPlan?.done).toBe(true);
      });
    }
  }
});

describe('a roll-out to a version that never gets healthy', () => {
  it('keeps every old instance that the minimum needs, and says what it waits for', () => {
    const simulator = new RolloutSimulator(startOf({ n: 4, m: 1, o: 0.5, old: 4 }));
    for (let round = 0; round < 50; round += 1) {
      simulator.plan();
      const next = simulator.happenings().find((one) => one.what !== 'healthy' && simulator.isGood(one));
      if (next) simulator.happen(next.id, next.what);
    }
    expect(simulator.serving()).toBe(4);
    expect(simulator.lastPlan?.waitingFor.map((waiting) => waiting.text)).toEqual([
      '2 of 4 instances run and are not healthy yet (0 failing, 2 without a result)',
      '4 old or surplus instances have to stay for now: 6 instances exist and at most 6 may, 4 have to stay healthy',
    ]);
  });

  it('relaunches an old instance that crashes meanwhile', () => {
    const simulator = new RolloutSimulator(startOf({ n: 2, m: 1, o: 1, old: 2 }));
    for (const order of [['launch'], ['launch'], ['start'], ['start']] as const) {
      simulator.plan();
      const next = simulator.happenings().find((one) => one.what === order[0]);
      if (next) simulator.happen(next.id, next.what);
    }
    simulator.happen('old-0', 'crash');
    simulator.plan();
    expect(simulator.instances.filter((one) => one.instance.id === 'old-0' && one.instance.goal === 'running')).toHaveLength(1);
  });
});
