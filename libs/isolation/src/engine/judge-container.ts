/**
 * What is concluded from a container's run directory and from what the engine says of it. Pure: the recovery table of this runtime.
 *
 *   journal            engine              then
 *   exit               (not asked)         ended so
 *   no start asked     (not asked)         never started: nobody else would
 *   start asked        running             running
 *   start asked        made, not started   withdraw: removed without force, which a running one refuses; then look again
 *   start asked        ended               ended so
 *   start asked        no such container   lost: somebody has removed it
 */
import { constants } from 'node:os';
import { exitLost, exitOfStatus } from '../exit-status.js';
import type { TaskExit } from '../runtime.js';
import { fieldIn, numberIn, textIn } from './engine-client.js';
import type { EngineJournal } from './engine-journal.js';

/** One container, as its engine describes it. */
export type FoundContainer =
  | { readonly kind: 'absent' }
  | { readonly kind: 'created'; readonly error: string }
  | { readonly kind: 'running'; readonly pid: number }
  | { readonly kind: 'ended'; readonly status: number; readonly oomKilled: boolean; readonly error: string };

export type ContainerVerdict =
  { readonly kind: 'never-started' | 'withdraw' } | { readonly kind: 'running'; readonly pid: number } | { readonly kind: 'exited'; readonly exit: TaskExit };

/** Null: the journal alone does not tell, the engine has to be asked. */
export function judgeJournal({ asked, isStarting, isWithdrawn, exit }: EngineJournal): ContainerVerdict | null {
  if (exit !== null) return { kind: 'exited', exit };
  return asked === null || !isStarting || isWithdrawn ? { kind: 'never-started' } : null;
}

export function judgeContainer(journal: EngineJournal, found: FoundContainer): ContainerVerdict {
  const told = judgeJournal(journal);
  if (told !== null) return told;
  switch (found.kind) {
    case 'running':
      return found;
    case 'created':
      return { kind: 'withdraw' };
    case 'ended':
      return { kind: 'exited', exit: exitOfContainer(found, NOTHING_SEEN) };
    case 'absent':
      return { kind: 'exited', exit: exitLost(REMOVED, {}) };
  }
}

export const REMOVED = 'its container was removed from the engine by somebody else, so nobody knows how it ended';
export const ENGINE_RESTARTED = 'the container engine was restarted, and ended its containers: it is to be run with live-restore';

/** What this agent has seen of a task beside its status. */
export interface Seen {
  /** The engine was away while it ran. */
  readonly engineWasAway: boolean;
  /** How often the engine told that the kernel killed a process for memory. */
  readonly oomEvents: number;
  /** We have asked for a signal to it. */
  readonly wasSignalled: boolean;
  /** By which its image wants to be stopped. */
  readonly stopSignal: number;
}

export const NOTHING_SEEN: Seen = { engineWasAway: false, oomEvents: 0, wasSignalled: false, stopSignal: constants.signals.SIGTERM };

const SIGNAL_OFFSET = 128;
const SIGKILL_STATUS = SIGNAL_OFFSET + constants.signals.SIGKILL;
const SIGTERM_STATUS = SIGNAL_OFFSET + constants.signals.SIGTERM;
/** What containerd says when nobody has seen the status. */
const UNKNOWN_STATUS = 255;

export function exitOfContainer({ status, oomKilled, error }: Extract<FoundContainer, { kind: 'ended' }>, seen: Seen): TaskExit {
  const isOom = status === SIGKILL_STATUS && (oomKilled || seen.oomEvents > 0);
  // An engine that is back stops what it finds, as its user would.
  const byEngine = [SIGKILL_STATUS, UNKNOWN_STATUS, SIGTERM_STATUS, SIGNAL_OFFSET + seen.stopSignal];
  const wasEndedByEngine = seen.engineWasAway && !seen.wasSignalled && !isOom && byEngine.includes(status);
  if (wasEndedByEngine) return exitLost(ENGINE_RESTARTED, {});
  if (error !== '') return exitLost(`its container could not be started: ${error}`, {});
  return { ...exitOfStatus(status, seen.oomEvents > 0 ? { oomKills: seen.oomEvents } : {}), oomKilled: isOom };
}

/** From `GET /containers/NAME/json`. */
export function readFound(description: unknown): FoundContainer {
  const state = fieldIn(description, 'State');
  const error = textIn(state, 'Error');
  switch (textIn(state, 'Status')) {
    // podman says these two before the start.
    case 'created':
    case 'configured':
    case 'initialized':
      return { kind: 'created', error };
    case 'running':
    case 'paused':
    case 'restarting':
    case 'stopping':
      return { kind: 'running', pid: numberIn(state, 'Pid') };
    default:
      return { kind: 'ended', status: numberIn(state, 'ExitCode'), oomKilled: fieldIn(state, 'OOMKilled') === true, error };
  }
}
