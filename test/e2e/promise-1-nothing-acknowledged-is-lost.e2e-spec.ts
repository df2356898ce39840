/**
 * Promise 1 on real processes: what got a 2xx is there, whatever was killed around it.
 *
 * Writers change apps of their own without a pause, while the API and Postgres are killed under them. A change without an
 * answer may have happened or not; one with a 2xx has happened, and so has every one acknowledged before it.
 */
import { Ekiden, eventually } from './ekiden.js';

const WRITERS = 4;
const APPS_A_WRITER = 3;
/** Fewer than the versions that are kept for an app (50). */
const MAX_CHANGES_AN_APP = 45;
const TIMEOUT_MS = 180_000;

interface Told {
  attempted: number;
  acknowledged: number;
  readonly versions: string[];
}

let ekiden: Ekiden;
beforeAll(async () => void (ekiden = await Ekiden.start()), TIMEOUT_MS);
afterAll(async () => ekiden?.end(), TIMEOUT_MS);

it(
  'keeps every change that got a 2xx while the API and Postgres are killed',
  async () => {
    const told = new Map<string, Told>();
    let isOver = false;
    const acknowledged = (): number => [...told.values()].reduce((sum, { versions }) => sum + versions.length, 0);
    const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer, told, () => isOver));
    try {
      for (const parts of [['api'], ['postgres'], ['api', 'postgres']] as const) {
        await Promise.all(parts.map((part) => ekiden.kill(part)));
        const before = acknowledged();
        await eventually(`changes are acknowledged after a kill of ${parts.join(' and ')}`, () => acknowledged() >= before + 2 * WRITERS);
      }
    } finally {
      isOver = true;
      await Promise.all(writers);
    }
    await ekiden.killUp();
    await ekiden.startUp();

    for (const [id, { attempted, acknowledged: last, versions }] of told) {
      const { status, body } = await ekiden.get(`/v2/apps/${id}`);
      expect([id, status]).toEqual([id, last === 0 ? expect.any(Number) : 200]);
      if (status !== 200) continue;
      const kept = Number(body.app.labels.change);
      expect(kept).toBeGreaterThanOrEqual(last);
      expect(kept).toBeLessThanOrEqual(attempted);
      expect(body.app.instances).toBe(instancesOf(kept));
      const known: string[] = (await ekiden.get(`/v2/apps/${id}/versions`)).body.versions;
      expect(known).toEqual(expect.arrayContaining(versions));
    }
    expect(acknowledged()).toBeGreaterThan(6 * WRITERS);
  },
  TIMEOUT_MS,
);

const instancesOf = (change: number): number => change % 3;

/** One change after another, to apps that nobody else writes; tasks that never fit, so that nothing but the record is at work. */
async function write(writer: number, told: Map<string, Told>, isOver: () => boolean): Promise<void> {
  for (let change = 1; !isOver() && change <= APPS_A_WRITER * MAX_CHANGES_AN_APP; change += 1) {
    const id = `/w${writer}/app-${change % APPS_A_WRITER}`;
    const record = told.get(id) ?? { attempted: 0, acknowledged: 0, versions: [] };
    told.set(id, record);
    record.attempted = change;
    try {
      const app = { id, cmd: 'sleep 1000', cpus: 900, instances: instancesOf(change), labels: { change: `${change}` } };
      const { status, body } = await ekiden.send('PUT', `/v2/apps/${id}?force=true`, app);
      if (status >= 300) continue; // refused: the API does not lead yet, or has no database
      record.acknowledged = change;
      record.versions.push(body.version);
    } catch {
      // No answer: nobody knows.
      await eventually('somebody listens', async () => (await ekiden.get('/ping')).status < 600).catch(() => undefined);
    }
  }
}
