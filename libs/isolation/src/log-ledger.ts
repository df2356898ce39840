/**
 * Where the pieces of a log lie in its whole life, so that an offset means the same byte before and after a rotation.
 *
 * Offsets count from the first byte that the task ever wrote. The ledger is a small file beside the sandbox, where the task cannot
 * write, and is written anew with each rotation. One that an agent did not get to write (killed within a rotation) is off by one
 * rotation: pieces whose size it does not know are left out, and a reader is told of the gap.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { hasCode } from './cgroup-driver.js';

export const LOG_NAMES = ['stdout', 'stderr'] as const;
export type LogName = (typeof LOG_NAMES)[number];

export interface LogPiece {
  readonly begin: number;
  readonly end: number;
  /** The size of its file: above `end - begin` when it opens with the rest of a line whose middle was dropped. */
  readonly bytes: number;
}

export interface LogExtent {
  /** Where the file that the task writes to begins. */
  readonly begin: number;
  /** What was rotated away and is still kept, the newest first: `pieces[0]` is in `stdout.1`. */
  readonly pieces: readonly LogPiece[];
}

const FRESH: LogExtent = { begin: 0, pieces: [] };

export const ledgerOf = (sandbox: string): string => `${sandbox}.logs`;

/** A ledger that is missing or damaged says nothing: all that there is begins at 0. */
export function readExtent(sandbox: string, name: LogName): LogExtent {
  return readAll(sandbox)[name] ?? FRESH;
}

export function writeExtent(sandbox: string, name: LogName, extent: LogExtent): void {
  const path = ledgerOf(sandbox);
  writeFileSync(`${path}.new`, JSON.stringify({ ...readAll(sandbox), [name]: extent }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function readAll(sandbox: string): Partial<Record<LogName, LogExtent>> {
  try {
    const read: unknown = JSON.parse(readFileSync(ledgerOf(sandbox), 'utf8'));
    const all: Partial<Record<LogName, LogExtent>> = {};
    for (const name of LOG_NAMES) {
      const extent = toExtent(fieldOf(read, name));
      if (extent !== null) all[name] = extent;
    }
    return all;
  } catch (error) {
    if (error instanceof SyntaxError || hasCode(error, 'ENOENT')) return {};
    throw error;
  }
}

function toExtent(value: unknown): LogExtent | null {
  const begin = fieldOf(value, 'begin');
  const pieces = fieldOf(value, 'pieces');
  if (!isOffset(begin) || !Array.isArray(pieces)) return null;
  const known = pieces.map((piece: unknown) => ({ begin: fieldOf(piece, 'begin'), end: fieldOf(piece, 'end'), bytes: fieldOf(piece, 'bytes') }));
  return { begin, pieces: known.filter((piece): piece is LogPiece => isOffset(piece.begin) && isOffset(piece.end) && isOffset(piece.bytes)) };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined;
}

const isOffset = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** The last of those who wait for a sandbox's logs. */
const turns = new Map<string, Promise<unknown>>();

/** One at a time: a reader never sees the logs of a sandbox half rotated. */
export async function inTurn<T>(sandbox: string, work: () => Promise<T>): Promise<T> {
  const before = turns.get(sandbox) ?? Promise.resolve();
  const mine = before.then(work, work);
  turns.set(sandbox, mine);
  try {
    return await mine;
  } finally {
    if (turns.get(sandbox) === mine) turns.delete(sandbox);
  }
}
