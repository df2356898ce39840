/** The files that a launch with a /tmp of its own or a filter of system calls needs, made before it is asked for. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from './cgroup-driver.js';
import { PRIVATE_TMP } from './launch-chain.js';
import { SECCOMP_FILE } from './run-journal.js';
import type { LaunchSpec } from './runtime.js';
import { seccompArch, seccompProgram } from './seccomp-filter.js';
import type { TaskSecurity } from './task-security.js';

/** Open to all, as /tmp is: what is in there belongs to whoever made it. */
const TMP_MODE = 0o1777;

/** Throws with the reason. */
export function prepareSecurity({ privateTmp, hasSeccomp }: TaskSecurity, { sandbox, runDir }: LaunchSpec): void {
  if (privateTmp) for (const name of Object.values(PRIVATE_TMP)) makeTmp(join(sandbox, name));
  const arch = seccompArch(process.arch);
  if (hasSeccomp && arch !== null) writeFileSync(join(runDir, SECCOMP_FILE), seccompProgram(arch), { mode: 0o600, flag: 'wx' });
}

/** Never one that is there already: an archive may have brought a link of that name. */
function makeTmp(dir: string): void {
  try {
    mkdirSync(dir);
  } catch (error) {
    if (hasCode(error, 'EEXIST'))
      throw new Error(`its sandbox has a "${dir.slice(dir.lastIndexOf('/') + 1)}" already, which is the name of its private /tmp`, { cause: error });
    throw error;
  }
  chmodSync(dir, TMP_MODE);
}
