import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aRecord } from '../../test/a-record.js';
import { realDisk, type Disk } from './disk.js';
import { COMPACT_MIN_BYTES, TaskJournal, type DamagedLine } from './task-journal.js';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ekiden-journal-'));
  path = join(dir, 'tasks.journal');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const line = (id: string, launchedAt = 1): string => JSON.stringify(aRecord(id, launchedAt));
const unexpected = ({ number, why }: DamagedLine): void => {
  throw new Error(`line ${number}: ${why}`);
};
/** What the next start of the agent finds. */
const found = (): Record<string, number> =>
  Object.fromEntries(
    new TaskJournal(path, unexpected).records().map((text) => {
      const { task, launchedAt } = JSON.parse(text) as ReturnType<typeof aRecord>;
      return [task.task_id.value, launchedAt];
    }),
  );

type Step = keyof Disk;

/** The real disk, on which `fault` may throw before a step; a half of what it refuses to write is written all the same. */
function faulty(fault: (step: Step, path: string | null) => void): Disk {
  return {
    ...realDisk,
    open: (file) => (fault('open', file), realDisk.open(file)),
    write: (file, bytes, at) => {
      try {
        fault('write', null);
      } catch (error) {
        realDisk.write(file, bytes.subarray(0, bytes.length / 2), at);
        throw error;
      }
      realDisk.write(file, bytes, at);
    },
    truncate: (file, size) => (fault('truncate', null), realDisk.truncate(file, size)),
    sync: async (file) => (fault('sync', null), realDisk.sync(file)),
    close: (file) => (fault('close', null), realDisk.close(file)),
    rename: (from, to) => (fault('rename', from), realDisk.rename(from, to)),
    syncDirectory: async (at) => (fault('syncDirectory', at), realDisk.syncDirectory(at)),
  };
}

it('keeps the last record of each task, over restarts', async () => {
  const journal = new TaskJournal(path, unexpected);
  await journal.save('a', line('a', 1));
  await Promise.all([journal.save('b', line('b', 1)), journal.save('a', line('a', 2)), journal.save('c', line('c', 1))]);
  await journal.remove('c');
  expect(found()).toEqual({ a: 2, b: 1 });
  const next = new TaskJournal(path, unexpected);
  await next.save('d', line('d', 4));
  await next.remove('b');
  expect(found()).toEqual({ a: 2, d: 4 });
});

it('shares one sync among all that wait', async () => {
  let syncs = 0;
  const disk = faulty((step) => void (syncs += step === 'sync' ? 1 : 0));
  const journal = new TaskJournal(path, unexpected, disk);
  await journal.save('first', line('first'));
  syncs = 0;
  await Promise.all(Array.from({ length: 500 }, (_, index) => journal.save(`t${index}`, line(`t${index}`))));
  expect(syncs).toBe(1);
  expect(Object.keys(found())).toHaveLength(501);
});

it('ignores a torn tail, and what follows it is whole', async () => {
  await new TaskJournal(path, unexpected).save('a', line('a'));
  for (const tail of [line('b').slice(0, 40), line('b'), '\0\0\0']) {
    appendFileSync(path, tail);
    const journal = new TaskJournal(path, unexpected);
    await journal.save('c', line('c'));
    expect(found()).toEqual({ a: 1, c: 1 });
  }
});

it('tells each damaged line, falls back on the one before, and drops it from the file', async () => {
  const journal = new TaskJournal(path, unexpected);
  await journal.save('a', line('a', 1));
  await journal.save('b', line('b', 1));
  await journal.save('a', line('a', 2));
  await journal.save('c', line('c', 1));
  const bytes = readFileSync(path);
  bytes[bytes.indexOf('"launchedAt":2') + 1] = 0xff;
  writeFileSync(path, bytes);
  const damaged: DamagedLine[] = [];
  const next = new TaskJournal(path, (each) => damaged.push(each));
  expect(damaged).toEqual([{ number: 3, why: 'no UTF-8' }]);
  await next.repair();
  expect(found()).toEqual({ a: 1, b: 1, c: 1 });
});

describe('when the disk is full', () => {
  let isFull: Step | null;
  const disk = faulty((step) => {
    if (step === isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  });
  beforeEach(() => (isFull = null));

  it.each(['write', 'sync'] as const)('refuses, keeps the former content and goes on when there is room (%s)', async (step) => {
    const journal = new TaskJournal(path, unexpected, disk);
    await journal.save('a', line('a', 1));
    const before = readFileSync(path, 'utf8');
    isFull = step;
    for (let round = 0; round < 3; round += 1) {
      const attempts = await Promise.allSettled([journal.save('a', line('a', 2)), journal.save('b', line('b'))]);
      expect(attempts.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      expect(readFileSync(path, 'utf8')).toBe(before);
    }
    isFull = null;
    await journal.save('c', line('c', 3));
    expect(found()).toEqual({ a: 1, c: 3 });
  });

  it('forgets a removed task for good once there is room', async () => {
    const journal = new TaskJournal(path, unexpected, disk);
    await journal.save('a', line('a'));
    await journal.save('b', line('b'));
    isFull = 'write';
    await expect(journal.remove('a')).rejects.toThrow('no space');
    expect(found()).toEqual({ a: 1, b: 1 });
    isFull = null;
    await journal.save('c', line('c'));
    expect(found()).toEqual({ b: 1, c: 1 });
  });

  it('goes on appending when only the room for a second file is missing', async () => {
    let isTight = false;
    const tight = faulty((step, file) => {
      if (isTight && step === 'open' && file?.endsWith('.new') === true) throw new Error('no space left on device');
    });
    const journal = new TaskJournal(path, unexpected, tight);
    await journal.save('a', line('a', 0));
    isTight = true;
    const padding = 'x'.repeat(100_000);
    for (let round = 1; round <= 30; round += 1) await journal.save('a', JSON.stringify({ ...aRecord('a', round), padding }));
    expect(found()).toEqual({ a: 30 });
    isTight = false;
    for (let round = 31; round <= 50; round += 1) await journal.save('a', JSON.stringify({ ...aRecord('a', round), padding }));
    expect(readFileSync(path).length).toBeLessThan(COMPACT_MIN_BYTES * 2);
    expect(found()).toEqual({ a: 50 });
  });
});

/** Enough dead lines that the next change makes the journal write its file anew. */
async function fill(journal: TaskJournal): Promise<void> {
  const padding = 'x'.repeat(50_000);
  const text = (round: number): string => JSON.stringify({ ...aRecord('old', round), padding });
  await journal.save('kept', line('kept', 7));
  await journal.save('gone', line('gone'));
  await journal.remove('gone');
  for (let round = 1; (round - 1) * 50_000 < COMPACT_MIN_BYTES; round += 1) await journal.save('old', text(round));
}

it('loses nothing, whatever step of writing the file anew is its last', async () => {
  const steps: Step[] = [];
  let lastAllowed = Infinity;
  let isCounting = false;
  const disk = faulty((step) => {
    if (!isCounting) return;
    steps.push(step);
    if (steps.length > lastAllowed) throw new Error('the power is off');
  });
  for (let allowed = 0; ; allowed += 1) {
    rmSync(path, { force: true });
    isCounting = false;
    const journal = new TaskJournal(path, unexpected, disk);
    await fill(journal);
    const before = found();
    lastAllowed = allowed;
    steps.length = 0;
    isCounting = true;
    const outcome = await journal.save('new', line('new', 9)).then(
      () => 'saved',
      () => 'refused',
    );
    const after = found();
    // What was promised is there; what was refused may be, if the power failed between the rename and the answer.
    if (outcome === 'saved') expect(after).toEqual({ ...before, new: 9 });
    else expect([before, { ...before, new: 9 }]).toContainEqual(after);
    expect(after).toMatchObject({ kept: 7 });
    expect(Object.keys(after)).not.toContain('gone');
    expect(readdirSync(dir)).toEqual(['tasks.journal']);
    // Had it been a bad moment of the disk only, the same agent goes on.
    isCounting = false;
    await journal.save('later', line('later', 10));
    expect(found()).toEqual({ ...before, ...(outcome === 'saved' ? { new: 9 } : {}), later: 10 });
    if (steps.length <= allowed) break;
  }
  expect(steps).toEqual(['open', 'truncate', 'write', 'sync', 'rename', 'close', 'syncDirectory']);
});

it('stays small over thousands of tasks that come and go', async () => {
  const journal = new TaskJournal(path, unexpected);
  for (let wave = 0; wave < 20; wave += 1) {
    const ids = Array.from({ length: 300 }, (_, index) => `w${wave}.${index}`);
    await Promise.all(ids.map((id) => journal.save(id, line(id, wave))));
    await Promise.all(ids.slice(5).map((id) => journal.remove(id)));
  }
  expect(Object.keys(found())).toHaveLength(100);
  expect(readFileSync(path).length).toBeLessThan(COMPACT_MIN_BYTES * 1.5);
});
