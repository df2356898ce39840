/**
 * Durable writes a second: concurrent PUTs, each a new version of an app without instances. Floor: single-row commits on the same
 * Postgres with as many connections as there are concurrent PUTs.
 */
import pg from 'pg';
import { Pool } from 'undici';
import { turn, type Context, type Figure } from '../context.js';
import type { EkidenContender } from '../ekiden-contender.js';
import { cpuOf } from '../parts.js';
import { withApps } from './many-apps.js';

const APPS = 200;
const CONCURRENCY = 32;
const MS = 4_000;
const QUICK_MS = 1_000;

export const writes: Figure = {
  name: 'writes',
  async run(context: Context) {
    const { ekiden } = context;
    if (ekiden === null) return;
    const ms = context.quick ? QUICK_MS : MS;
    const what = `durable writes, ${CONCURRENCY} at once`;
    await turn(context, ekiden, 'writes', () =>
      withApps(ekiden, 'writes', APPS, async (ids) => {
        for (let round = 0; round < context.rounds; round++) {
          context.sample({ figure: 'writes', what, unit: '/s', of: 'floor', value: await commitsPerSecond(ekiden.postgresUrl, ms) });
          const { answer, ms: cpuMs } = await cpuOf(ekiden, () => putsPerSecond(ekiden, ids, ms));
          const { perSecond, refused } = answer;
          for (const part of ['api', 'postgres'] as const) {
            context.sample({
              figure: 'writes',
              what: `processor time a write: ${part}`,
              unit: 'ms',
              of: 'ekiden',
              value: (cpuMs[part] * 1000) / (perSecond * ms),
            });
          }
          context.sample({ figure: 'writes', what, unit: '/s', of: 'ekiden', value: perSecond });
          if (refused.size > 0) context.note(`writes: not counted: ${[...refused].map(([status, times]) => `${times} × ${status}`).join(', ')}`);
        }
      }),
    );
  },
};

/** Calls `work` from `CONCURRENCY` strands until the time is over; answers how often a second it came true. */
async function perSecond(ms: number, work: (strand: number) => Promise<boolean>): Promise<number> {
  const began = performance.now();
  let count = 0;
  const strand = async (index: number): Promise<void> => {
    while (performance.now() - began < ms) if (await work(index)) count += 1;
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, (_, index) => strand(index)));
  return (count * 1000) / (performance.now() - began);
}

async function commitsPerSecond(url: string, ms: number): Promise<number> {
  const clients = Array.from({ length: CONCURRENCY }, () => new pg.Client({ connectionString: url }));
  try {
    await Promise.all(clients.map((client) => client.connect()));
    await clients[0]?.query('CREATE TABLE IF NOT EXISTS bench_commits (id bigserial PRIMARY KEY, body text NOT NULL)');
    const body = 'x'.repeat(500);
    return await perSecond(ms, async (strand) => {
      await clients[strand]?.query({ name: 'bench', text: 'INSERT INTO bench_commits (body) VALUES ($1)', values: [body] });
      return true;
    });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

async function putsPerSecond(
  { ekiden }: EkidenContender,
  ids: readonly string[],
  ms: number,
): Promise<{ readonly perSecond: number; readonly refused: ReadonlyMap<number, number> }> {
  const pool = new Pool(ekiden.api, { connections: CONCURRENCY });
  const refused = new Map<number, number>();
  let next = 0;
  try {
    const rate = await perSecond(ms, async () => {
      const turnOf = next++;
      const { statusCode, body } = await pool.request({
        method: 'PUT',
        path: `/v2/apps${ids[turnOf % ids.length]}?force=true`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ instances: 0, env: { WRITE: String(turnOf) } }),
      });
      await body.dump();
      if (statusCode >= 300) refused.set(statusCode, (refused.get(statusCode) ?? 0) + 1);
      return statusCode < 300;
    });
    return { perSecond: rate, refused };
  } finally {
    await pool.close();
  }
}
