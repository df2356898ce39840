import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { limitLog, startPart } from './part.js';

const SERVES = `process.send({ ready: true, url: 'http://x' }); process.on('disconnect', () => process.exit()); process.on('SIGTERM', () => process.exit());`;

describe('a part', () => {
  let dir = '';
  let told: string[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ekiden-part-'));
    mkdirSync(join(dir, 'logs'));
    told = [];
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const command = (script: string) => {
    writeFileSync(join(dir, 'part.cjs'), script);
    return { name: 'part', script: join(dir, 'part.cjs'), args: [], execArgv: [], env: { PATH: process.env['PATH'] } };
  };
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await sleep(20);
  };

  it('is started again when it dies, also when that fails at first', async () => {
    const part = startPart(command(SERVES), join(dir, 'logs', 'part.log'), (line) => told.push(line));
    await part.ready;
    const first = part.pid ?? 0;
    rmSync(join(dir, 'logs'), { recursive: true });
    process.kill(first, 'SIGKILL');
    await until(() => told.some((line) => line.includes('ENOENT')));
    mkdirSync(join(dir, 'logs'));
    await until(() => told.some((line) => line.includes('serves again')));
    expect(told[0]).toBe('part: ended (SIGKILL); starting it again in 100 ms');
    await part.stop();
    expect(part.pid).toBeNull();
  }, 30_000);

  it('that never serves is given up with the end of its log', async () => {
    const part = startPart(command(`console.log('no such thing'); process.exit(2);`), join(dir, 'logs', 'part.log'), (line) => told.push(line));
    await expect(part.ready).rejects.toThrow('no such thing');
  }, 30_000);

  it('has a log that is bounded, also where no older piece can be kept', () => {
    const log = join(dir, 'part.log');
    for (const place of [() => undefined, () => (rmSync(`${log}.1`), mkdirSync(join(`${log}.1`, 'x'), { recursive: true }))]) {
      place();
      writeFileSync(log, 'x'.repeat(100));
      limitLog(log, 200, (line) => told.push(line));
      expect(readFileSync(log)).toHaveLength(100);
      limitLog(log, 100, (line) => told.push(line));
      expect(readFileSync(log)).toHaveLength(0);
    }
    expect(told).toHaveLength(1);
  });
});
