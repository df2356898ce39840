/** One small file a task, which the next agent reads: replaced as a whole, in memory as well. A power cut takes what they tell of away, too, so nothing is synced. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskId } from '@ekiden/model';

export interface TaskRecords<R extends { readonly taskId: TaskId }> {
  save(record: R): void;
  remove(taskId: TaskId): void;
  get(taskId: TaskId): R | null;
  all(): readonly R[];
}

/** Reads what is there; a file of which `parse` throws is set aside and told. */
export function openTaskRecords<R extends { readonly taskId: TaskId }>(
  dir: string,
  parse: (text: string) => R,
  damaged: (file: string, why: string) => void,
): TaskRecords<R> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const records = new Map<TaskId, R>();
  const fileOf = (id: TaskId): string => join(dir, `${createHash('sha256').update(id).digest('hex').slice(0, 32)}.json`);
  for (const name of readdirSync(dir).filter((each) => each.endsWith('.json'))) {
    try {
      const record = parse(readFileSync(join(dir, name), 'utf8'));
      records.set(record.taskId, record);
    } catch (error) {
      renameSync(join(dir, name), join(dir, `${name}.damaged`));
      damaged(name, String(error));
    }
  }
  return {
    save(record) {
      const file = fileOf(record.taskId);
      writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
      renameSync(`${file}.new`, file);
      records.set(record.taskId, record);
    },
    remove(id) {
      rmSync(fileOf(id), { force: true });
      records.delete(id);
    },
    get: (id) => records.get(id) ?? null,
    all: () => [...records.values()],
  };
}
