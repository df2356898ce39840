/**
 * What an agent concludes from a run directory that an earlier one left behind. Pure: the table of the isolation reference, 3.2.
 *
 * The agent has claimed the launch before it asks, so "never started" stays true: a late supervisor finds the claim and goes.
 */
import type { RunJournal } from './run-journal.js';

export interface RunDirFacts {
  readonly journal: RunJournal;
  /** False when the machine has been restarted since the launch: then no pid means anything. */
  readonly sameBoot: boolean;
  readonly supervisorAlive: boolean;
  readonly mainAlive: boolean;
  /** Whether anybody else of the task lives, whom no file names: its supervisor was killed before the pid was written. */
  readonly othersAlive: boolean;
}

export type Verdict =
  | { readonly kind: 'never-started' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'running' }
  /** Alive without its supervisor: its status will be lost. */
  | { readonly kind: 'adopted' }
  | { readonly kind: 'ended'; readonly status: number }
  | { readonly kind: 'lost'; readonly why: string; /** Look again a little later before believing it. */ readonly final: boolean };

export const SUPERVISOR_KILLED = 'its supervisor was killed, so nobody saw its exit status';

export function judgeRunDir({ journal, sameBoot, supervisorAlive, mainAlive, othersAlive }: RunDirFacts): Verdict {
  if (journal.claim !== 'supervisor') return { kind: 'never-started' };
  if (journal.failed !== null) return { kind: 'lost', why: `it was not started: ${journal.failed}`, final: true };
  if (journal.status !== null && journal.main === null) return { kind: 'lost', why: 'it was not started: its run directory could not be written', final: true };
  if (journal.status !== null) return { kind: 'ended', status: journal.status };
  if (!sameBoot) return { kind: 'lost', why: 'the host was restarted', final: true };
  if (supervisorAlive) return { kind: journal.main === null ? 'starting' : 'running' };
  if (mainAlive || othersAlive) return { kind: 'adopted' };
  // The supervisor may have died between the fork and the pid: the child then writes it a moment later.
  if (journal.main === null) return { kind: 'lost', why: 'its supervisor was killed before it started', final: false };
  return { kind: 'lost', why: SUPERVISOR_KILLED, final: true };
}
