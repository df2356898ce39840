/** What a fetched file has to hash to: told apart before anything of it is unpacked or run. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** 64 hex digits. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: READ_BYTES })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Small enough that no piece keeps the agent from its other work. */
const READ_BYTES = 256 * 1024;

/** Rejects with both digests when they differ. */
export async function checkDigest(file: string, expected: string): Promise<void> {
  const found = await sha256Of(file);
  if (found !== expected) throw new Error(`its sha256 is ${found}, but the app says ${expected}`);
}
