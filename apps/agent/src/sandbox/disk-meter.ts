/** How much a sandbox holds, asked of du(1): in another process and at the lowest priority, where a walk in ours would take longer and hold it up. */
import { execFile } from 'node:child_process';
import type { DiskMeter } from '../agent-ports.js';

/** A sandbox that takes longer to walk is not measured. */
const DU_TIMEOUT_MS = 120_000;
const NICEST = '19';

export const duMeter: DiskMeter = {
  usedKib: (sandbox) =>
    new Promise((resolve, reject) => {
      // -x: what is mounted in there is not its own. Only the sum is printed.
      execFile('nice', ['-n', NICEST, 'du', '-skxH', '--', sandbox], { timeout: DU_TIMEOUT_MS, encoding: 'utf8' }, (error, stdout, stderr) => {
        // Status 1 says that files went away meanwhile: the sum is there all the same.
        const kib = Number.parseInt(stdout, 10);
        if (Number.isFinite(kib)) resolve(kib);
        else reject(new Error(`du(1) says nothing about ${sandbox}: ${stderr.trim() || (error?.message ?? 'it printed no number')}`));
      });
    }),
};
