/**
 * Opens files in a directory that is a task's: in the place of a log may lie a link to any file of the machine, or a fifo that never
 * answers. Neither is followed nor waited for.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hasCode } from './cgroup-driver.js';

const { O_NOFOLLOW, O_NONBLOCK } = constants;

/** Null when it is missing, or is anything but a plain file with this one name. */
export async function openPlain(path: string, access: number): Promise<FileHandle | null> {
  try {
    const file = await open(path, access | O_NOFOLLOW | O_NONBLOCK);
    const found = await file.stat();
    if (found.isFile() && found.nlink === 1) return file;
    await file.close();
  } catch (error) {
    // ELOOP: a link. ENXIO: a fifo or socket.
    if (!['ENOENT', 'ELOOP', 'ENXIO', 'EISDIR'].some((code) => hasCode(error, code))) throw error;
  }
  return null;
}
