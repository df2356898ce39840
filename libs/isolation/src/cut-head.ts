/**
 * Takes the head off a file that somebody goes on appending to, without losing a byte of what is written meanwhile.
 *
 * Only the kernel can: `fallocate --collapse-range` takes whole blocks out of the front (ext4, xfs), and what is appended at that
 * moment is behind them. Where the file system cannot, the caller has to empty the file in the instant in which nothing is new,
 * and that instant cannot be had for certain: a process that is put off the cpu within it loses what comes meanwhile.
 */
import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';

/** How long the kernel may take: it waits for the disk. */
const CUT_TIMEOUT_MS = 30_000;
/** File systems, by device, that have said they cannot. */
const unable = new Set<number>();

/** How much of the first `upTo` bytes can be cut off: whole blocks, and never all that there is. */
export async function cuttable(file: FileHandle, upTo: number): Promise<number> {
  const { blksize, dev } = await file.stat();
  return unable.has(dev) ? 0 : Math.max(0, Math.floor((upTo - 1) / blksize) * blksize);
}

/** Cuts `length` bytes off, as `cuttable` gave it; false when it cannot be done here, and nothing has changed. */
export async function cutHead(file: FileHandle, length: number): Promise<boolean> {
  const before = await file.stat();
  const refusal = await collapse(file.fd, length);
  if (refusal === null) return true;
  // Given up just as it was done: a file that is appended to shrinks in no other way.
  if ((await file.stat()).size < before.size) return true;
  if (refusal.includes('not supported') || refusal.includes('ENOENT') || refusal.includes('unrecognized') || refusal.includes('invalid option'))
    unable.add(before.dev);
  return false;
}

/** Null when done, else what was said. By its open file: a name could have become a link meanwhile. */
function collapse(fd: number, length: number): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn('fallocate', ['--collapse-range', '--offset', '0', '--length', String(length), '/proc/self/fd/3'], {
      stdio: ['ignore', 'ignore', 'pipe', fd],
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      timeout: CUT_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stderr?.on('data', (text: Buffer) => (said = (said + text.toString()).slice(0, 1000)));
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? null : said || `ended with ${code}`));
  });
}
