/** What du(1) says of a real directory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duMeter } from './disk-meter.js';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'ekiden-du-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('is what is in there, in KiB', async () => {
  const empty = await duMeter.usedKib(dir);
  writeFileSync(join(dir, 'file'), Buffer.alloc(3 << 20, 1));
  expect((await duMeter.usedKib(dir)) - empty).toBe(3 * 1024);
});

it('is not made up for one that is gone', async () => {
  await expect(duMeter.usedKib(join(dir, 'gone'))).rejects.toThrow('No such file');
});
