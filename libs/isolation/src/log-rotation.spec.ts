/** Rotation under a writer that does not stop, and reading by offset across it. */
import { appendFileSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realTasks, until } from '../test/real-tasks.js';
import { cutHead, cuttable } from './cut-head.js';
import { readLog } from './log-reading.js';
import { rotateLogs, trimLogs } from './log-rotation.js';

describe('logs', () => {
  let home = '';
  let dir = '';
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'ekiden-logs-'));
    dir = join(home, 'sandbox');
    mkdirSync(dir);
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));
  const at = (name: string): string => readFileSync(join(dir, name), 'utf8');

  it('are left alone below the limit, and shifted above it', async () => {
    for (const text of ['first', 'second', 'third', 'fourth']) {
      appendFileSync(join(dir, 'stdout'), text);
      expect(await rotateLogs(dir, { maxBytes: 100, keep: 2 })).toEqual([]);
      expect(await rotateLogs(dir, { maxBytes: 3, keep: 2 })).toEqual(['stdout']);
    }
    expect([at('stdout'), at('stdout.1'), at('stdout.2')]).toEqual(['', 'fourth', 'third']);
    expect(readdirSync(dir).sort()).toEqual(['stdout', 'stdout.1', 'stdout.2']);
  });

  it('keep only the newest of a log that has grown far beyond the limit', async () => {
    writeFileSync(join(dir, 'stderr'), 'x'.repeat(1000) + 'newest');
    await rotateLogs(dir, { maxBytes: 10, keep: 1 });
    expect(at('stderr.1')).toHaveLength(40);
    expect(at('stderr.1')).toMatch(/newest$/);
  });

  it('begin with a whole line when their head was dropped', async () => {
    writeFileSync(join(dir, 'stdout'), 'a line that is cut off in its middle\nthe one before\nthe newest\n');
    await rotateLogs(dir, { maxBytes: 10, keep: 1 });
    expect(at('stdout.1')).toBe('the one before\nthe newest\n');
  });

  it('of a task that is over keep their end in their place, when they are far beyond the limit', async () => {
    writeFileSync(join(dir, 'stdout'), 'x'.repeat(1_000_000) + 'the end');
    writeFileSync(join(dir, 'stderr'), 'not so much');
    await trimLogs(dir, { maxBytes: 10, keep: 1 });
    expect([at('stdout'), at('stderr')]).toEqual(['xxxthe end', 'not so much']);
    writeFileSync(join(dir, 'stdout'), 'x'.repeat(3_000_000) + 'the end');
    await trimLogs(dir, { maxBytes: 600_000, keep: 1 });
    expect(at('stdout')).toBe('x'.repeat(599_993) + 'the end');
    expect(readdirSync(dir).sort()).toEqual(['stderr', 'stdout']);
  });

  it('are never followed when a task has put a link in their place', async () => {
    writeFileSync(join(dir, 'of-somebody-else'), 'do not empty');
    symlinkSync('of-somebody-else', join(dir, 'stdout'));
    linkSync(join(dir, 'of-somebody-else'), join(dir, 'stderr'));
    expect(await rotateLogs(dir, { maxBytes: 3, keep: 1 })).toEqual([]);
    await trimLogs(dir, { maxBytes: 1, keep: 1 });
    expect(await readLog(dir, 'stdout', 0, 100)).toMatchObject({ data: Buffer.alloc(0), isMissing: true });
    expect(at('of-somebody-else')).toBe('do not empty');
    expect(readdirSync(dir).sort()).toEqual(['of-somebody-else', 'stderr', 'stdout']);
  });

  it('stay bounded under a task that writes without pause, with no line torn or doubled', async () => {
    const world = realTasks('process', null);
    const spec = world.spec('i=0; while [ $i -lt 3000000 ]; do i=$((i+1)); echo "line $i of a task that cannot stop talking"; done');
    await world.start(spec);
    const policy = { maxBytes: 200_000, keep: 3 };
    for (let round = 0; round < 6; round += 1) {
      await until('the log to be too large', () => statSync(join(spec.sandbox, 'stdout')).size > policy.maxBytes);
      expect(await rotateLogs(spec.sandbox, policy)).toEqual(['stdout']);
    }
    const pieces = ['stdout.3', 'stdout.2', 'stdout.1'].map((name) => readFileSync(join(spec.sandbox, name), 'utf8'));
    expect(
      readdirSync(spec.sandbox)
        .filter((name) => name.startsWith('stdout'))
        .sort(),
    ).toEqual(['stdout', 'stdout.1', 'stdout.2', 'stdout.3']);
    expect(pieces.every((piece) => piece.length < policy.maxBytes * 8)).toBe(true);
    const joined = pieces.join('') + readFileSync(join(spec.sandbox, 'stdout'), 'utf8');
    const numbers = joined
      .slice(joined.indexOf('\n') + 1, joined.lastIndexOf('\n')) // the oldest may open with the rest of a line, the newest is being written
      .split('\n')
      .map((line) => Number(/^line (\d+) of/.exec(line)?.[1]));
    expect(numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? Infinity))).toBe(true);
    expect(await world.clear()).toEqual([]);
  }, 30_000);

  it('lose no line of 10,000 a second while the agent is busy, nor does whoever follows them', async () => {
    await assertCuts(home);
    const lines = 100_000;
    const world = realTasks('process', null);
    // As fast as a shell can, each line a write of its own: above 10,000 a second on any machine.
    const spec = world.spec(`i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo "line $i of a task that talks"; done`);
    await world.start(spec);
    let isOver = false;
    const ended = world.ended(spec.taskId).then(() => (isOver = true));
    // Never so much between two rounds that some of it has to be dropped, however late they are.
    const policy = { maxBytes: 900_000, keep: 1_000 };
    let followed = '';
    let at = 0;
    for (let isLast = false; ; isLast = isOver) {
      await rotateLogs(spec.sandbox, policy);
      for (let since = performance.now(); performance.now() - since < 20;); // somebody else has the event loop
      for (;;) {
        const chunk = await readLog(spec.sandbox, 'stdout', at, 64 * 1024);
        expect(chunk.offset).toBe(at);
        followed += chunk.data.toString();
        at += chunk.data.length;
        if (at === chunk.end) break;
      }
      if (isLast) break;
    }
    await ended;
    const expected = Array.from({ length: lines }, (_, index) => `line ${index + 1} of a task that talks\n`).join('');
    const pieces = readdirSync(spec.sandbox)
      .filter((name) => name.startsWith('stdout.'))
      .sort((a, b) => Number(b.slice('stdout.'.length)) - Number(a.slice('stdout.'.length)));
    expect(pieces.length).toBeGreaterThan(0);
    expect([...pieces, 'stdout'].map((name) => readFileSync(join(spec.sandbox, name), 'utf8')).join('') === expected).toBe(true);
    expect(followed === expected).toBe(true);
    expect(await world.clear()).toEqual([]);
  }, 60_000);

  it('are read by offset over their rotations, and what is kept no more is left out', async () => {
    const at = async (offset: number, length = 100): Promise<unknown[]> => {
      const { offset: from, data, begin, end } = await readLog(dir, 'stdout', offset, length);
      return [from, data.toString(), begin, end];
    };
    expect(await at(0)).toEqual([0, '', 0, 0]);
    for (const text of ['one\n', 'two\n', 'three\n']) {
      appendFileSync(join(dir, 'stdout'), text);
      await rotateLogs(dir, { maxBytes: 3, keep: 2 });
    }
    appendFileSync(join(dir, 'stdout'), 'four\n');
    expect(await at(0)).toEqual([4, 'two\nthree\nfour\n', 4, 19]);
    expect(await at(0, 6)).toEqual([4, 'two\nth', 4, 19]);
    expect(await at(6, 2)).toEqual([6, 'o\n', 4, 19]);
    expect(await at(8, 6)).toEqual([8, 'three\n', 4, 19]);
    expect(await at(14)).toEqual([14, 'four\n', 4, 19]);
    expect(await at(19)).toEqual([19, '', 4, 19]);
    expect(await at(-7, 1)).toEqual([12, 'e', 4, 19]);
    expect(await at(-100, 4)).toEqual([4, 'two\n', 4, 19]);
    writeFileSync(join(dir, 'stdout'), ''); // by the task itself
    expect(await at(19)).toEqual([14, '', 4, 14]);
  });

  it('keep their offsets when the end of the task has cut them', async () => {
    writeFileSync(join(dir, 'stdout'), 'x'.repeat(50) + 'the end');
    await trimLogs(dir, { maxBytes: 10, keep: 1 });
    expect(await readLog(dir, 'stdout', 0, 100)).toEqual({ offset: 47, data: Buffer.from('xxxthe end'), begin: 47, end: 57, isMissing: false });
  });

  it('are read as far as they are known: a piece that nobody has written down is left out', async () => {
    writeFileSync(join(dir, 'stdout'), 'one\n');
    await rotateLogs(dir, { maxBytes: 1, keep: 2 });
    writeFileSync(join(dir, 'stdout'), 'two\n');
    writeFileSync(join(dir, 'stdout.1'), 'something else');
    expect(await readLog(dir, 'stdout', 0, 100)).toMatchObject({ offset: 4, data: Buffer.from('two\n'), begin: 4 });
    writeFileSync(`${dir}.logs`, '{"stdout":{"begin":-1}');
    expect(await readLog(dir, 'stdout', 0, 100)).toMatchObject({ offset: 0, data: Buffer.from('two\n') });
  });
});

/** Names what is missing, rather than failing by chance. */
async function assertCuts(dir: string): Promise<void> {
  writeFileSync(join(dir, 'probe'), Buffer.alloc(100_000));
  const file = await open(join(dir, 'probe'), 'r+');
  const cuts = await cutHead(file, await cuttable(file, 50_000));
  await file.close();
  if (!cuts) throw new Error(`this test needs fallocate of util-linux, and ext4 or xfs below ${dir}: set TMPDIR`);
}
