/**
 * Statuses in: recorded, and only then acknowledged.
 *
 * Each is one decision of the ledger; what arrives together is committed together. A status that could not be recorded is
 * not acknowledged, and comes again; an end that the master tells by itself comes once, so that it is kept until it is recorded.
 * One about a task that belongs to nobody kills it, if it may be alive.
 */
import type { Connection, SchedulerClient } from '@ekiden/framework-sdk';
import type { TaskStatus } from '@ekiden/mesos';
import { unknownInstanceTerminated } from '@ekiden/marathon-api';
import { agentId, isTerminal, liveTask, parseTaskId, type Clock, type Instance, type Log } from '@ekiden/model';
import { judgeUnknownTask, type InstanceInput, type ObservedStatus } from '@ekiden/planner';
import { findInstance } from '../desired/kill-tasks.js';
import type { KillLoop } from '../launch/kill-loop.js';
import type { OfferLoop } from '../launch/offer-loop.js';
import type { Draft } from '../ledger/draft.js';
import type { Ledger } from '../ledger/ledger.js';
import { addEvent, endedCondition, statusEvent, stepAndRecord, stepOf } from '../ledger/record-step.js';
import { pinImage } from './pin-image.js';
import { readStatus } from './read-status.js';

export interface ObservePorts {
  readonly log: Log;
  readonly clock: Clock;
  /** A launch of which nothing is heard for so long is given up. */
  readonly launchTimeoutMs: number;
  readonly ledger: Ledger;
  readonly client: () => SchedulerClient;
  readonly offers: OfferLoop;
  readonly kills: KillLoop;
}

/** An end that nobody says again is recorded anew after so long, over and over as long as its stream stands: the next one asks about all. */
const RECORD_AGAIN_MS = 1_000;

type Verdict = 'recorded' | 'kill';

/** Handles one UPDATE. Never rejects. */
export async function recordStatus(ports: ObservePorts, wire: TaskStatus, connection: Connection): Promise<void> {
  try {
    const status = readStatus(wire, ports.clock.now());
    if (ports.ledger.isAtRest && isKnown(ports, status)) {
      ports.offers.heard(status.taskId);
      ports.kills.strayIsGone(status.taskId);
      return acknowledge(ports, wire, connection);
    }
    const verdict = await ports.ledger.change((draft) => decideStatus(draft, status, (instance) => inputOf(ports, instance, status, connection)));
    ports.offers.heard(status.taskId);
    if (verdict === 'recorded') ports.kills.strayIsGone(status.taskId);
    else if (status.state !== 'TASK_KILLING') ports.kills.killStray(status.taskId, wire.agent_id === undefined ? null : agentId(wire.agent_id.value));
  } catch (error) {
    ports.log.warn('a status was not recorded', { taskId: wire.task_id.value, state: wire.state, next: whatNext(wire), error: String(error) });
    return keepUnsaid(ports, wire, connection);
  }
  acknowledge(ports, wire, connection);
}

/** What is not acknowledged is said again, and what may change is asked about (reconciliation): an end by the master's own word is neither. */
function keepUnsaid(ports: ObservePorts, wire: TaskStatus, connection: Connection): void {
  if (isSaidAgain(wire) || !isTerminal(wire.state)) return;
  ports.clock.after(RECORD_AGAIN_MS, () => {
    if (ports.client().connection === connection) void recordStatus(ports, wire, connection);
  });
}

/** What becomes of one that was not recorded. */
const whatNext = (wire: TaskStatus): string =>
  isSaidAgain(wire)
    ? 'its agent says it again'
    : isTerminal(wire.state)
      ? `it is recorded anew in ${RECORD_AGAIN_MS} ms`
      : 'the next reconciliation asks for it';

const isSaidAgain = (wire: TaskStatus): wire is TaskStatus & { readonly uuid: string } => typeof wire.uuid === 'string' && wire.uuid !== '';

/** It runs, as is recorded: most answers of a reconciliation. Nothing has to be decided, nor committed before the acknowledgement. */
function isKnown({ ledger, clock }: ObservePorts, status: ObservedStatus): boolean {
  const instance = status.state === 'TASK_RUNNING' ? findInstance(ledger.state, status.taskId) : null;
  if (instance?.condition.kind !== 'running' || instance.condition.task.taskId !== status.taskId) return false;
  const step = stepOf(ledger.state, instance, { kind: 'status', status }, clock.now());
  return step !== null && !step.changed && !step.stale && step.ask === null;
}

function acknowledge(ports: ObservePorts, wire: TaskStatus, connection: Connection): void {
  const { agent_id: agent } = wire;
  if (!isSaidAgain(wire) || agent === undefined || agent === null) return;
  // Over a newer stream the status comes again; this acknowledgement would be refused.
  if (ports.client().connection !== connection) return;
  ports.client().acknowledge({ agent_id: agent, task_id: wire.task_id, uuid: wire.uuid });
}

/** Records what the status changes. Answers whether a task has to be killed for which no instance would. */
export function decideStatus(draft: Draft, status: ObservedStatus, inputFor: (instance: Instance) => InstanceInput): Verdict {
  const instance = findInstance(draft, status.taskId);
  if (instance === null) return unknownTask(draft, status);
  const before = liveTask(instance);
  const step = stepAndRecord(draft, instance, inputFor(instance));
  // It is ours: neither a stray to be killed nor an end to be acknowledged unrecorded.
  if (step === null) throw new Error(`no version of ${instance.appId} is stored`);
  const isNews = step.ended !== null || (step.instance?.condition.kind ?? 'gone') !== instance.condition.kind || step.instance?.resize !== instance.resize;
  if (step.changed && isNews && before !== null) addEvent(draft, statusEvent(draft, step.instance ?? instance, before, status.state, status.message));
  if (step.changed && step.instance !== null) pinImage(draft, instance, step.instance, status);
  // A stop that is due is sent again by the kill loop; here it is about a task that its instance has left.
  if (step.stale && step.ask === 'kill') return 'kill';
  // What says nothing new (most answers of a reconciliation) is no reason to plan all of a big app again.
  if (step.changed || step.ask === 'kill') draft.touch(instance.appId);
  return 'recorded';
}

function unknownTask(draft: Draft, status: ObservedStatus): Verdict {
  const parsed = parseTaskId(status.taskId);
  if (parsed !== null && isTerminal(status.state)) {
    addEvent(draft, unknownInstanceTerminated(draft.now, parsed.instanceId, parsed.appId, endedCondition(status.state)));
  }
  return judgeUnknownTask(status.state) === 'kill' ? 'kill' : 'recorded';
}

/** What a status proves depends on the stream over which it came (decision 2). */
function inputOf(ports: ObservePorts, instance: Instance, status: ObservedStatus, connection: Connection): InstanceInput {
  const { condition } = instance;
  const plain: InstanceInput = { kind: 'status', status };
  if (condition.kind !== 'provisioned' || condition.task.taskId !== status.taskId || !deniesLaunch(status)) return plain;
  const isOlder = ports.offers.isProof(condition.task, connection);
  // Long after the master took the ACCEPT: whatever it said before has arrived long ago.
  const isOverdue = ports.clock.now() - condition.since >= ports.launchTimeoutMs && ports.offers.isTaken(status.taskId);
  return isOlder || isOverdue || hasReached(status) ? { kind: 'never-launched', taskId: condition.task.taskId, why: status.message || status.state } : plain;
}

/**
 * The ACCEPT has reached the master, and the task has reached nobody: its offer was spent, or its agent registered anew
 * without it. A master says TASK_DROPPED only of tasks that it knows, an agent only when its master asks about one.
 */
const hasReached = ({ state, reason }: ObservedStatus): boolean =>
  reason === 'REASON_INVALID_OFFERS' || (state === 'TASK_DROPPED' && reason === 'REASON_RECONCILIATION');

const deniesLaunch = ({ state, reason }: ObservedStatus): boolean =>
  state === 'TASK_UNKNOWN' ||
  state === 'TASK_GONE' ||
  state === 'TASK_DROPPED' ||
  (state === 'TASK_LOST' && (reason === 'REASON_RECONCILIATION' || reason === 'REASON_INVALID_OFFERS'));
