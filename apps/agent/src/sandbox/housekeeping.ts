/**
 * What is done to sandboxes now and then: logs of running tasks are rotated, old sandboxes removed.
 *
 * One round at a time: a slow disk makes rounds late, never many.
 */
import { rotateLogs, type EngineImages, type ImageStore, type RotationPolicy } from '@ekiden/isolation';
import { taskId, type Log } from '@ekiden/model';
import type { TaskRecord } from '../agent-ports.js';
import { imagesInUse } from '../container-images.js';
import { fileNameOf } from '../checkpoint/file-name.js';
import { markOrphans, removeOverdueSandboxes } from './sandbox-retention.js';

export const ROTATE_EVERY_MS = 5_000;
/** Rotation rounds between two looks at old sandboxes: a minute. */
export const RETENTION_EVERY_ROUNDS = 12;

export type ImageCollector = Pick<ImageStore, 'collect'> | Pick<EngineImages, 'collect'>;

export interface Housekeeping {
  readonly workDir: string;
  readonly log: Log;
  readonly tasks: () => readonly TaskRecord[];
  readonly rotation: RotationPolicy;
  readonly retentionMs: number;
  /** Who collects images now; null: nobody. */
  readonly images: () => ImageCollector | null;
  /** How long an image outlives its last use; less as the disk fills. */
  readonly imageKeepMs?: number;
}

/** Above it, unused images go whatever their age. */
export const MAX_USED_SHARE = 0.85;

export function startHousekeeping(keeping: Housekeeping): { stop(): void } {
  let round = 0;
  let timer: NodeJS.Timeout | null = null;
  let stopped = false;
  const next = (): void => {
    if (!stopped) timer = setTimeout(() => void keepOnce(keeping, round++).then(next), ROTATE_EVERY_MS);
  };
  next();
  return {
    stop: () => {
      stopped = true;
      if (timer) clearTimeout(timer);
    },
  };
}

/** Never rejects: what fails is logged, and the next round tries again. */
async function keepOnce(keeping: Housekeeping, round: number): Promise<void> {
  const { workDir, log, tasks, rotation, retentionMs } = keeping;
  for (const record of tasks()) {
    if (record.stage !== 'running') continue;
    try {
      const rotated = await rotateLogs(record.sandbox, rotation);
      if (rotated.length > 0) log.info('logs-rotated', { taskId: record.task.task_id.value, logs: rotated });
    } catch (error) {
      log.warn('log-rotation-failed', { taskId: record.task.task_id.value, why: String(error) });
    }
  }
  if (round % RETENTION_EVERY_ROUNDS !== 0) return;
  try {
    if (round === 0) await markOrphans(workDir, new Set(tasks().map((record) => fileNameOf(taskId(record.task.task_id.value)))));
    const removed = await removeOverdueSandboxes(workDir, Date.now(), retentionMs);
    if (removed > 0) log.info('sandboxes-removed', { removed });
    const policy = { now: Date.now(), keepMs: keeping.imageKeepMs ?? 0, maxUsedShare: MAX_USED_SHARE };
    await keeping.images()?.collect(imagesInUse(tasks()), policy);
  } catch (error) {
    log.warn('sandbox-retention-failed', { why: String(error) });
  }
}
