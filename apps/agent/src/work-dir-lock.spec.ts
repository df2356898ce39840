import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertOwnWorkDir, lockWorkDir } from './work-dir-lock.js';

describe('the lock of a work directory', () => {
  let dir = '';
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'ekiden-lock-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const startOf = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? '';
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  };

  // The file is how an agent of 0.1 wrote it.
  it.each([
    ['a link', symlinkSync],
    ['a file', (holder: string, path: string) => writeFileSync(path, holder)],
  ])('is refused while its agent lives, and free when its pid is somebody else’s (%s)', (_, write) => {
    write(`${process.ppid} ${startOf(process.ppid)}`, join(dir, 'agent.lock'));
    expect(() => lockWorkDir(dir)).toThrow(`belongs to the agent with pid ${process.ppid}`);
    rmSync(join(dir, 'agent.lock'));
    write(`${process.ppid} 1`, join(dir, 'agent.lock'));
    lockWorkDir(dir).release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('needs no room on the disk: who holds it is in the name that a link points to (chaos, seed 10)', () => {
    const lock = lockWorkDir(dir);
    expect(readlinkSync(join(dir, 'agent.lock'))).toBe(`${process.pid} ${startOf(process.pid)}`);
    lock.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is free when its agent is a zombie that nobody collects', async () => {
    // The child ends only once its parent is a program that collects nobody: a shell might have done it before.
    const parent = spawn('sh', ['-c', 'exec 3<&0; cat <&3 & echo $!; exec sleep 60'], { stdio: ['pipe', 'pipe', 'ignore'] });
    try {
      const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))));
      const start = startOf(pid);
      await until(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'sleep\n');
      parent.stdin.end();
      await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '));
      writeFileSync(join(dir, 'agent.lock'), `${pid} ${start}`);
      expect(() => lockWorkDir(dir).release()).not.toThrow();
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('is not taken in a directory with other things in it', () => {
    expect(() => assertOwnWorkDir(dir)).not.toThrow();
    writeFileSync(join(dir, 'holiday.jpg'), '');
    expect(() => assertOwnWorkDir(dir)).toThrow('holds other files');
    mkdirSync(join(dir, 'meta'));
    expect(() => assertOwnWorkDir(dir)).not.toThrow();
  });
});
