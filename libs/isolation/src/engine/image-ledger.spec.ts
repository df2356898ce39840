/** Whose an image of an engine is, whatever happens between a pull's beginning and its end. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../test/real-tasks.js';
import { type ImageLedger, openImageLedger } from './image-ledger.js';

let dir: string;
let now = 1;
const open = (): ImageLedger => openImageLedger(dir, silentLog, () => now);
const IMAGE = { imageId: 'sha256:i', digest: 'sha256:d' };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ekiden-ledger-'));
  now = 1;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('owns what was not there before, with each name and digest that it is known by, also as the next agent', () => {
  const ledger = open();
  ledger.begin({ reference: 'a:1', before: ['sha256:x'] });
  ledger.end('a:1', IMAGE);
  now = 5;
  // By another name it is there by now, and ours.
  ledger.begin({ reference: 'a:2', before: ['sha256:x', 'sha256:i'] });
  ledger.end('a:2', { ...IMAGE, digest: 'sha256:e' });
  now = 7;
  open().used(IMAGE);
  expect(open().images()).toEqual([{ imageId: 'sha256:i', references: ['a:1', 'a:2'], digests: ['sha256:d', 'sha256:e'], usedAt: 7 }]);
  open().forget('sha256:i');
  expect(open().images()).toEqual([]);
});

it('owns nothing of what was there, was not asked for, or has failed', () => {
  const ledger = open();
  ledger.begin({ reference: 'a:1', before: ['sha256:i'] });
  ledger.end('a:1', IMAGE);
  ledger.begin({ reference: 'b:1', before: [] });
  ledger.end('b:1', null);
  ledger.used(IMAGE);
  ledger.end('c:1', IMAGE);
  expect([ledger.images(), ledger.leftPulls()]).toEqual([[], []]);
});

it('counts what was there before the first of two pulls that run at once, and leaves none that still runs', () => {
  const ledger = open();
  ledger.begin({ reference: 'a:1', before: [] });
  ledger.begin({ reference: 'a:1', before: ['sha256:i'] });
  ledger.end('a:1', null);
  expect(ledger.leftPulls()).toEqual([]);
  expect(open().leftPulls()).toEqual([{ reference: 'a:1', before: [] }]);
  ledger.end('a:1', IMAGE);
  expect(ledger.images()).toHaveLength(1);
  expect(open().leftPulls()).toEqual([]);
});

it('owns nothing when it cannot be read, and keeps what there was', () => {
  writeFileSync(join(dir, 'images.json'), '{"v":9}');
  expect(open().images()).toEqual([]);
  expect(readdirSync(dir)).toEqual(['images.json.damaged']);
});
