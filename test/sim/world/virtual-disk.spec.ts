/** The disk of the simulator: what a power cut may do to it, and what it must not. */
import type { Disk } from '../../../apps/agent/src/checkpoint/disk.js';
import { Chance } from './chance.js';
import { VirtualClock } from './virtual-clock.js';
import { VirtualDisk, type Survival } from './virtual-disk.js';

let clock: VirtualClock;
let disk: VirtualDisk;
let isAlive: boolean;
let mounted: Disk;
const insert = (seed: number): void => {
  clock = new VirtualClock();
  disk = new VirtualDisk(clock, new Chance(seed));
  isAlive = true;
  mounted = disk.mount(() => isAlive);
  mounted.makeDirectory('/d');
};
beforeEach(() => insert(1));

const text = (path = '/d/f'): string | null => disk.read(path)?.toString('latin1') ?? null;
async function settled<T>(promise: Promise<T>): Promise<T> {
  await clock.run(10);
  return promise;
}
/** What one power cut of many seeds leaves. */
async function outcomes(survival: Survival, prepare: () => Promise<void>): Promise<Set<string | null>> {
  const seen = new Set<string | null>();
  for (let seed = 1; seed <= 200; seed += 1) {
    insert(seed);
    await prepare();
    disk.powerCut(survival);
    seen.add(text());
  }
  return seen;
}
async function durable(path: string, content: string): Promise<number> {
  const file = mounted.open(path);
  mounted.write(file, Buffer.from(content), 0);
  await settled(mounted.sync(file));
  await settled(mounted.syncDirectory('/d'));
  return file;
}

it('keeps everything when only the process dies', () => {
  const file = mounted.open('/d/f');
  mounted.write(file, Buffer.from('abc'), 0);
  mounted.write(file, Buffer.from('X'), 1);
  isAlive = false;
  mounted.write(file, Buffer.from('dead'), 0);
  expect(text()).toBe('aXc');
});

it('keeps what was synced under a synced name over a power cut, and loses the rest in part', async () => {
  const seen = await outcomes('anything', async () => {
    const file = await durable('/d/f', 'abc');
    mounted.write(file, Buffer.from('de'), 3);
    mounted.write(file, Buffer.from('fg'), 5);
  });
  for (const found of seen) expect(found?.startsWith('abc')).toBe(true);
  // Torn at a byte, and a later write that survives an earlier one: what lies between is zero.
  for (const possible of ['abc', 'abcd', 'abcdefg', 'abc\0\0fg']) expect(seen).toContain(possible);
  expect([...(await outcomes('nothing', async () => mounted.write(await durable('/d/f', 'abc'), Buffer.from('d'), 3)))]).toEqual(['abc']);
  expect([...(await outcomes('everything', async () => mounted.write(await durable('/d/f', 'abc'), Buffer.from('d'), 3)))]).toEqual(['abcd']);
});

it('may undo a rename until the directory is synced', async () => {
  const replace = async (isSynced: boolean): Promise<void> => {
    await durable('/d/f', 'old');
    await durable('/d/g', 'new');
    mounted.rename('/d/g', '/d/f');
    expect([text(), text('/d/g')]).toEqual(['new', null]);
    if (isSynced) await settled(mounted.syncDirectory('/d'));
  };
  expect(await outcomes('anything', () => replace(false))).toEqual(new Set(['old', 'new']));
  expect(await outcomes('anything', () => replace(true))).toEqual(new Set(['new']));
});

it('may lose a synced file whose name was not', async () => {
  const seen = await outcomes('anything', async () => {
    const file = mounted.open('/d/f');
    mounted.write(file, Buffer.from('abc'), 0);
    await settled(mounted.sync(file));
  });
  expect(seen).toEqual(new Set([null, 'abc']));
});

it('does not take what was written during a sync for synced', async () => {
  const seen = await outcomes('nothing', async () => {
    const file = await durable('/d/f', 'a');
    mounted.write(file, Buffer.from('b'), 1);
    const sync = mounted.sync(file);
    mounted.write(file, Buffer.from('c'), 2);
    await settled(sync);
  });
  expect([...seen]).toEqual(['ab']);
});

it('reads back after a failed sync what will never be durable, until the power goes', async () => {
  const seen = await outcomes('everything', async () => {
    const file = await durable('/d/f', 'a');
    mounted.write(file, Buffer.from('bc'), 1);
    disk.syncError = 'I/O error';
    await expect(settled(mounted.sync(file))).rejects.toThrow('EIO');
    disk.mend();
    mounted.write(file, Buffer.from('d'), 3);
    await settled(mounted.sync(file));
    expect(text()).toBe('abcd');
  });
  expect(seen).toEqual(new Set(['a\0\0d', 'ab\0d', 'abcd']));
});

it('writes what there is room for, then says that it is full; what is there can be renamed and removed', async () => {
  const file = await durable('/d/f', 'abc');
  disk.fill(2);
  expect(() => mounted.write(file, Buffer.from('defg'), 3)).toThrow('ENOSPC');
  expect(text()).toBe('abcde');
  expect(() => mounted.open('/d/g')).toThrow('ENOSPC');
  mounted.truncate(file, 3);
  mounted.write(file, Buffer.from('d'), 3);
  mounted.rename('/d/f', '/d/h');
  mounted.remove('/d/h');
  expect(disk.paths()).toEqual([]);
  disk.mend();
  mounted.open('/d/g');
});

it('takes as long for a sync as it is told', async () => {
  const file = mounted.open('/d/f');
  disk.syncMs = () => 700;
  const began = clock.now();
  await clock.until('synced', isOver(mounted.sync(file)));
  expect(clock.now() - began).toBe(700);
});

function isOver(promise: Promise<void>): () => boolean {
  let isDone = false;
  void promise.then(() => (isDone = true));
  return () => isDone;
}
