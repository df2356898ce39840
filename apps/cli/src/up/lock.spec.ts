import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeLock } from './lock.js';
import { identify } from './process-identity.js';

const fresh = (): string => mkdtempSync(join(tmpdir(), 'ekiden-lock-'));

describe('the lock of a data directory', () => {
  it('names its holder and is gone after release', () => {
    const dir = fresh();
    const lock = takeLock(dir);
    expect(JSON.parse(readFileSync(join(dir, 'lock'), 'utf8'))).toEqual(identify(process.pid));
    lock.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is refused while its process lives', () => {
    const dir = fresh();
    takeLock(dir);
    expect(() => takeLock(dir)).toThrow(`already running: process ${process.pid} uses ${dir}`);
  });

  it('is taken over when its process is gone', () => {
    const dir = fresh();
    writeFileSync(join(dir, 'lock'), JSON.stringify({ pid: 2 ** 22 + 1, startedAt: 'once' }));
    expect(takeLock(dir).tookOver).toBe(true);
  });

  it('is taken over when the pid belongs to another process by now', () => {
    const dir = fresh();
    writeFileSync(join(dir, 'lock'), JSON.stringify({ pid: process.pid, startedAt: 'before the reboot' }));
    expect(takeLock(dir).tookOver).toBe(true);
  });

  it('is taken over when the file is damaged', () => {
    const dir = fresh();
    writeFileSync(join(dir, 'lock'), '{"pid":');
    expect(takeLock(dir).tookOver).toBe(true);
  });

  it('leaves the lock of a successor alone', () => {
    const dir = fresh();
    const lock = takeLock(dir);
    writeFileSync(join(dir, 'lock'), 'of somebody else');
    lock.release();
    expect(readFileSync(join(dir, 'lock'), 'utf8')).toBe('of somebody else');
  });
});
