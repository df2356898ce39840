/** The history of tasks as a file, `<work-dir>/meta/statistics.json`. Not synced: a power cut may cost the day, never a start. */
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HistoryStore } from '../agent-ports.js';
import { metaOf } from '../checkpoint/fs-checkpoint-store.js';
import { errorCode } from '../error-code.js';

/** Twice of what the most tasks need. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** The directory is there. */
export function fsHistoryStore(workDir: string): HistoryStore {
  const file = join(metaOf(workDir), 'statistics.json');
  return {
    load: async () => {
      try {
        const { size } = await stat(file);
        if (size > MAX_FILE_BYTES) throw new Error(`${file} has ${size} bytes, at most ${MAX_FILE_BYTES} are read`);
        return await readFile(file, 'utf8');
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return null;
        throw error;
      }
    },
    save: async (text) => {
      await writeFile(`${file}.tmp`, text, { mode: 0o600 });
      await rename(`${file}.tmp`, file);
    },
  };
}
