/** Reads a second with 100 apps, by autocannon in a process of its own. Floor: a bare node:http server answering the same bytes. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { turn, type Context, type Figure } from '../context.js';
import type { EkidenContender } from '../ekiden-contender.js';
import { load } from '../load.js';
import { withApps } from './many-apps.js';

const APPS = 100;
const CONNECTIONS = 32;
const SECONDS = 4;
const QUICK_SECONDS = 1;

export const reads: Figure = {
  name: 'reads',
  async run(context: Context) {
    const { ekiden } = context;
    if (ekiden === null) return;
    await turn(context, ekiden, 'reads', () =>
      withApps(ekiden, 'reads', APPS, async (ids) => {
        const paths = { [`GET /v2/apps (${APPS} apps)`]: '/v2/apps', 'GET /v2/apps/{id}': `/v2/apps${ids[0]}` };
        for (let round = 0; round < context.rounds; round++) for (const [what, path] of Object.entries(paths)) await compare(context, ekiden, what, path);
      }),
    );
  },
};

async function compare(context: Context, { ekiden }: EkidenContender, what: string, path: string): Promise<void> {
  const seconds = context.quick ? QUICK_SECONDS : SECONDS;
  const bytes = Buffer.from(await (await fetch(ekiden.api + path)).arrayBuffer());
  const floor = await withBareServer(bytes, (url) => perSecond(url, seconds));
  context.sample({ figure: 'reads', what, unit: '/s', of: 'floor', value: floor });
  context.sample({ figure: 'reads', what, unit: '/s', of: 'ekiden', value: await perSecond(ekiden.api + path, seconds) });
}

const perSecond = async (url: string, seconds: number): Promise<number> => (await load(url, CONNECTIONS, seconds)).perSecond;

async function withBareServer<T>(bytes: Buffer, use: (url: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'ekiden-bench-bare-'));
  writeFileSync(join(dir, 'body'), bytes);
  const server = fork(join(import.meta.dirname, '..', 'bare-server.mjs'), [join(dir, 'body')], { execArgv: [] });
  try {
    const [port] = await once(server, 'message');
    return await use(`http://127.0.0.1:${port}/`);
  } finally {
    server.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}
