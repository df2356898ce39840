/**
 * The bytes inside a compressed file, by what it begins with and not by its name; one that is not compressed as it is.
 *
 * gzip is undone by Node, bzip2 and xz by the system's programs, which a minimal machine may lack: then the reason names the package.
 */
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { errorCode } from '../error-code.js';
import { atMost } from './download.js';

export interface Program {
  readonly name: string;
  readonly args: readonly string[];
  readonly debianPackage: string;
}

const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
/** xz may ask for gigabytes of memory; at its strongest it packs with 64 MiB. */
const PROGRAMS: readonly (readonly [magic: Buffer, program: Program])[] = [
  [Buffer.from('BZh'), { name: 'bzip2', args: ['-dc'], debianPackage: 'bzip2' }],
  [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), { name: 'xz', args: ['-dc', '--memlimit-decompress=128MiB'], debianPackage: 'xz-utils' }],
];
const MAGIC_BYTES = 6;
const COMPLAINT_BYTES = 300;

/** The stream fails with the reason, also when there is more than `maxBytes`. Whoever stops reading has to destroy it. */
export async function unpacked(file: string, maxBytes: number): Promise<Readable> {
  const magic = await firstBytes(file);
  const starts = (begin: Buffer): boolean => magic.subarray(0, begin.length).equals(begin);
  if (starts(ZSTD)) throw new Error('it is packed with zstd: use .tar.gz');
  const program = PROGRAMS.find(([begin]) => starts(begin))?.[1];
  if (program !== undefined) return throughProgram(program, file, maxBytes);
  const out = atMost(maxBytes);
  const done = starts(GZIP) ? pipeline(createReadStream(file), createGunzip(), out) : pipeline(createReadStream(file), out);
  done.catch(() => undefined); // the reader of `out` is told
  return out;
}

export function throughProgram({ name, args, debianPackage }: Program, file: string, maxBytes: number): Readable {
  const out = new PassThrough();
  const child = spawn('nice', [name, ...args, '--', file], { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(0, COMPLAINT_BYTES)));
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error) => reject(errorCode(error) === 'ENOENT' ? new Error('`nice` is not installed on this machine (coreutils)') : error));
    child.on('close', (code) => {
      if (code === 0) resolve();
      else if (code === NOT_FOUND) reject(new Error(`${name} is not installed on this machine: install the package ${debianPackage}, or use .tar.gz`));
      else reject(new Error(`${name} cannot read it: ${complaint.trim() || `status ${code}`}`));
    });
  });
  out.on('close', () => child.kill('SIGKILL'));
  // The end is passed on only once the program has said that all was well.
  const copied = pipeline(child.stdout, atMost(maxBytes), out, { end: false });
  Promise.all([copied, ended]).then(
    () => out.end(),
    (error: unknown) => out.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return out;
}

/** What `nice` answers about a program that is not there. */
const NOT_FOUND = 127;

async function firstBytes(file: string): Promise<Buffer> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
