/**
 * Checkpoints as files.
 *
 *   <work-dir>/meta/agent.json          who this agent is, the boot and the master that it last saw; replaced as a whole
 *   <work-dir>/meta/tasks.journal       all tasks: task-journal.ts
 *   <work-dir>/meta/damaged/            what could not be read at a start, kept for people
 *
 * agent.json goes to a temporary file, is synced, and takes the place of the old one: a crash or a full disk leaves the
 * former content whole.
 */
import { dirname, join } from 'node:path';
import { OptionError } from '@ekiden/service';
import type { AgentRecord, CheckpointStore } from '../agent-ports.js';
import { realDisk, type Disk } from './disk.js';
import { NewerFormat, parseAgentRecord, parseTaskRecord } from './record-format.js';
import { TaskJournal, type DamagedLine } from './task-journal.js';

const TEMPORARY = '.tmp';
export const AGENT_FILE = 'agent.json';
export const JOURNAL = 'tasks.journal';
export const metaOf = (workDir: string): string => join(workDir, 'meta');

/** `workDir` is there. Throws `OptionError` when a newer agent has written it. */
export function fsCheckpointStore(workDir: string, disk: Disk = realDisk): CheckpointStore {
  const meta = metaOf(workDir);
  const aside = join(meta, 'damaged');
  const agentFile = join(meta, AGENT_FILE);
  disk.makeDirectory(meta);
  const damagedLines: string[] = [];

  const placeAside = (name: string): string => {
    disk.makeDirectory(aside);
    let target = join(aside, name);
    for (let copy = 1; disk.exists(target); copy++) target = join(aside, `${name}.${copy}`);
    return target;
  };

  // The whole file stays as it was, by a second name, since the next change writes it anew: this needs no room on the disk.
  let kept: string | null = null;
  const journalFile = join(meta, JOURNAL);
  const damagedLine = ({ number, why }: DamagedLine): void => {
    if (kept === null) disk.link(journalFile, (kept = placeAside(JOURNAL)));
    damagedLines.push(`${JOURNAL}: line ${number}: ${why} (kept in ${kept})`);
  };
  const journal = refusingNewer(workDir, JOURNAL, () => new TaskJournal(journalFile, damagedLine, disk));

  const loadAgent = (damaged: string[]): AgentRecord | null => {
    try {
      const bytes = disk.read(agentFile);
      return bytes === null ? null : refusingNewer(workDir, AGENT_FILE, () => parseAgentRecord(bytes.toString('utf8')));
    } catch (error) {
      if (error instanceof OptionError) throw error;
      const target = placeAside(AGENT_FILE);
      disk.rename(agentFile, target);
      damaged.push(`${AGENT_FILE}: ${error instanceof Error ? error.message : String(error)} (moved to ${target})`);
      return null;
    }
  };

  // One at a time: they share the temporary file, and the last one asked for has to be the one that stays.
  let lastAgent: Promise<void> = Promise.resolve();
  const saveAgent = async (former: Promise<void>, record: AgentRecord): Promise<void> => {
    await former.catch(() => undefined); // its caller was told
    await replaceFile(disk, agentFile, JSON.stringify(record));
  };

  return {
    load: async () => {
      const damaged: string[] = [];
      const agent = loadAgent(damaged);
      if (damagedLines.length > 0)
        await journal.repair().catch((error: unknown) => damaged.push(`${JOURNAL}: not repaired, next start again: ${String(error)}`));
      damaged.push(...damagedLines.splice(0));
      const tasks = journal.records().map(parseTaskRecord);
      return { agent, tasks: tasks.sort((a, b) => a.launchedAt - b.launchedAt), damaged };
    },
    saveAgent: (record) => (lastAgent = saveAgent(lastAgent, record)),
    saveTask: (record) => journal.save(record.task.task_id.value, JSON.stringify(record)),
    removeTask: (id) => journal.remove(id),
  };
}

/** Throws `OptionError` when a newer agent has written the file: tasks run on, and that agent finds all of them. */
function refusingNewer<T>(workDir: string, file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof NewerFormat)) throw cause;
    throw new OptionError(`--work-dir ${workDir}: ${file}: ${cause.message}: start the newer agent again, or give another directory`, { cause });
  }
}

async function replaceFile(disk: Disk, path: string, text: string): Promise<void> {
  const temporary = path + TEMPORARY;
  const file = disk.open(temporary);
  try {
    disk.truncate(file, 0);
    disk.write(file, Buffer.from(text), 0);
    await disk.sync(file);
  } finally {
    disk.close(file);
  }
  disk.rename(temporary, path);
  await disk.syncDirectory(dirname(path));
}
