/**
 * Unpacks a fetched archive into the sandbox, or refuses it whole.
 *
 * Nothing may leave the sandbox: no absolute path, no `..`, no link that points out, no device. A tar is looked through before
 * a byte is written; a zip entry by entry. Sizes, counts and the ratio to the archive are bounded, so that a small archive
 * cannot fill the disk, nor keep us busy for hours. Modes lose what makes a program run as its owner.
 * gzip is Node's (off the main thread); bzip2 and xz need the system's programs.
 */
import { createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, realpath, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, posix, relative, sep } from 'node:path';
import { type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { atMost } from './download.js';
import { unpacked } from './unpack-stream.js';

export interface ExtractLimits {
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** Beyond `freeRatioBytes` an archive unpacks to at most so many times its size: no honest one of that size is packed so well. */
  readonly maxRatio: number;
  readonly freeRatioBytes: number;
}

export const EXTRACT_LIMITS: ExtractLimits = {
  maxBytes: 8 * 1024 * 1024 * 1024,
  maxEntries: 200_000,
  maxRatio: 200,
  freeRatioBytes: 256 * 1024 * 1024,
};

/** Extracts when the name ends like an archive; otherwise does nothing. Rejects with the reason. */
export async function extractArchive(file: string, into: string, limits: ExtractLimits = EXTRACT_LIMITS): Promise<void> {
  const name = basename(file).toLowerCase();
  const { size } = await stat(file);
  const maxBytes = Math.min(limits.maxBytes, Math.max(limits.freeRatioBytes, size * limits.maxRatio));
  const budget = new Budget(maxBytes, limits.maxEntries);
  if (/\.(tar|tar\.gz|tgz|tar\.bz2|tbz2|tar\.xz|txz)$/.test(name)) return extractTar(file, into, maxBytes, budget);
  if (name.endsWith('.zip')) return extractZip(file, into, budget);
  if (!name.endsWith('.gz')) return undefined;
  const target = join(into, basename(file).slice(0, -'.gz'.length));
  await rm(target, { force: true });
  return pipeline(await unpacked(file, maxBytes), createWriteStream(target, { flags: 'wx' }));
}

async function extractTar(file: string, into: string, maxBytes: number, budget: Budget): Promise<void> {
  const tar = await import('tar');
  let problem: string | null = null;
  const reader = new tar.Parser({
    strict: true,
    onReadEntry: (entry) => {
      problem ??= budget.add(entry.size) ?? judgeEntry(entry.path, entry.type, entry.linkpath ?? null);
      entry.resume();
    },
  });
  const read = new Promise<void>((resolve, reject) => reader.on('end', resolve).on('error', reject));
  read.catch(() => undefined); // looked at below, unless something else is wrong first
  for await (const chunk of await unpacked(file, maxBytes)) {
    reader.write(chunk as Buffer);
    if (problem !== null) throw new Error(problem);
  }
  reader.end();
  await read;
  if (problem !== null) throw new Error(problem);
  const filter = (_path: string, entry: object): boolean => {
    if ('mode' in entry && 'type' in entry && typeof entry.mode === 'number') entry.mode = modeOf(entry.mode, entry.type === 'Directory');
    return true;
  };
  await pipeline(await unpacked(file, maxBytes), tar.extract({ cwd: into, strict: true, preserveOwner: false, noMtime: true, filter }));
}

/** Without setuid, setgid and sticky; its owner can always look into it, and remove it. */
const modeOf = (mode: number, isDirectory: boolean): number => (mode & 0o777) | (isDirectory ? 0o700 : 0o400);

const TAR_TYPES: readonly string[] = ['File', 'OldFile', 'ContiguousFile', 'Directory', 'GNUDumpDir', 'SymbolicLink', 'Link'];

/** Null: harmless. Otherwise why the whole archive is refused. */
export function judgeEntry(path: string, type: string, linkTarget: string | null): string | null {
  if (!TAR_TYPES.includes(type)) return `"${path}" is a ${type}, only files, directories and links are extracted`;
  if (path.startsWith('/') || path.includes('\\') || path.split('/').includes('..')) return `"${path}" leads out of the sandbox`;
  if (linkTarget === null || (type !== 'SymbolicLink' && type !== 'Link')) return null;
  // A hard link names another entry; a symbolic link is read from its own directory. `..` may only lead the target: after a
  // name that is itself a link, it would go up from somewhere else than it seems.
  const parts = linkTarget.split('/').filter((part) => part !== '' && part !== '.');
  const firstName = parts.findIndex((part) => part !== '..');
  const hidden = firstName >= 0 && parts.slice(firstName).includes('..');
  const target = posix.join(type === 'Link' ? '.' : posix.dirname(posix.join('.', path)), linkTarget);
  if (linkTarget.startsWith('/') || linkTarget.includes('\\') || hidden || target === '..' || target.startsWith('../')) {
    return `"${path}" is a link to "${linkTarget}", which leads out of the sandbox`;
  }
  return null;
}

class Budget {
  private bytes = 0;
  private entries = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly maxEntries: number,
  ) {}

  add(size: number): string | null {
    this.bytes += size;
    this.entries += 1;
    if (this.entries > this.maxEntries) return `it has more than ${this.maxEntries} entries`;
    return this.bytes > this.maxBytes ? `it unpacks to more than ${this.maxBytes} bytes` : null;
  }
}

async function extractZip(file: string, into: string, budget: Budget): Promise<void> {
  const { openPromise } = await import('yauzl');
  const zip = await openPromise(file, { lazyEntries: true, validateEntrySizes: true });
  const root = await realpath(into);
  try {
    for await (const entry of zip.eachEntry()) {
      const mode = entry.externalFileAttributes >>> 16;
      const isLink = (mode & 0o170000) === 0o120000;
      const isDirectory = entry.fileName.endsWith('/');
      const open = (): Promise<Readable> => zip.openReadStreamPromise(entry);
      const linkTarget = isLink ? await readText(await open()) : null;
      const problem =
        budget.add(entry.uncompressedSize) ?? judgeEntry(entry.fileName, isLink ? 'SymbolicLink' : isDirectory ? 'Directory' : 'File', linkTarget);
      if (problem !== null) throw new Error(problem);
      await writeEntry({ path: join(root, entry.fileName), root, isDirectory, linkTarget, mode: mode & 0o777, open });
    }
  } finally {
    zip.close();
  }
}

interface ZipEntry {
  readonly path: string;
  readonly root: string;
  readonly isDirectory: boolean;
  readonly linkTarget: string | null;
  readonly mode: number;
  readonly open: () => Promise<Readable>;
}

async function writeEntry({ path, root, isDirectory, linkTarget, mode, open }: ZipEntry): Promise<void> {
  const parent = isDirectory ? path : dirname(path);
  await mkdir(parent, { recursive: true });
  const real = await realpath(parent);
  if (real !== root && !real.startsWith(root + sep)) throw new Error(`"${path.slice(root.length + 1)}" goes through a link that leads out of the sandbox`);
  if (isDirectory) return;
  // The way here may have gone through a link: `..` counts from the real place.
  const problem = linkTarget === null ? null : judgeEntry(relative(root, join(real, basename(path))), 'SymbolicLink', linkTarget);
  if (problem !== null) throw new Error(problem);
  if ((await lstat(path).catch(() => null)) !== null) await rm(path, { force: true });
  if (linkTarget !== null) return symlink(linkTarget, path);
  await pipeline(await open(), createWriteStream(path, { flags: 'wx' }));
  if (mode !== 0) await chmod(path, modeOf(mode, false));
}

async function readText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream.pipe(atMost(4096))) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}
