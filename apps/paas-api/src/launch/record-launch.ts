/**
 * One round of matching, decided against the newest state and recorded before anything is sent (promise 2).
 *
 * Each launch is a row with its task's id, agent, ports and stream; the ACCEPTs that follow are answered as data, to be
 * sent only once this is committed.
 */
import type { TaskInfo } from '@ekiden/mesos';
import { newTaskId, type AgentId, type AppId, type Instance, type OfferId, type TaskId, type TaskRef } from '@ekiden/model';
import { matchOffers, type OfferView, type Refusal } from '@ekiden/planner';
import type { Draft } from '../ledger/draft.js';
import { stepAndRecord } from '../ledger/record-step.js';
import type { LaunchVersion } from './image-holds.js';
import { buildTaskInfo } from './task-info.js';
import { launchVersionOf, peersOf, type Wants } from './wants.js';

/** Launches decided in one round; more follow in the next. */
const MAX_LAUNCHES_PER_ROUND = 500;

export interface RoundInput {
  readonly offers: readonly OfferView[];
  readonly wants: Wants;
  readonly random: () => number;
  readonly maxPerOffer: number;
  readonly streamId: string;
  readonly extended: boolean;
}

export interface AcceptOrder {
  readonly offerId: OfferId;
  readonly agentId: AgentId;
  readonly role: string;
  readonly tasks: readonly { readonly taskId: TaskId; readonly instance: Instance; readonly info: TaskInfo }[];
}

export interface Round {
  readonly accepts: readonly AcceptOrder[];
  /** Not to be kept for what may be wanted next: another role might have the agent meanwhile. */
  readonly useless: readonly OfferId[];
  /** App → its refusals in this round. */
  readonly refusals: ReadonlyMap<AppId, readonly Refusal[]>;
  /** App → offers of which it took something. */
  readonly used: ReadonlyMap<AppId, number>;
}

export function decideRound(draft: Draft, input: RoundInput): Round {
  const wanted = input.wants.list(draft, draft.now, MAX_LAUNCHES_PER_ROUND);
  const apps = new Set(wanted.map((one) => one.spec.id));
  const peers = new Map([...apps].map((id) => [id, peersOf(draft, id)]));
  const { offers, random, maxPerOffer } = input;
  const match = matchOffers({ offers, wanted, peers, random, maxPerOffer, now: draft.now });

  const roles = new Set(wanted.map((one) => one.spec.role));
  const unused = new Set(match.unused);
  const byId = new Map(offers.map((offer) => [offer.id, offer]));
  const orders = new Map<OfferId, { offer: OfferView; tasks: { taskId: TaskId; instance: Instance; info: TaskInfo }[] }>();
  const usedBy = new Map<AppId, Set<OfferId>>();
  for (const launch of match.launches) {
    const offer = byId.get(launch.offerId);
    const instance = draft.instance(launch.instanceId);
    const next = instance === null ? null : launchVersionOf(draft, instance);
    if (offer === undefined || instance === null || next === null) continue;
    const task = taskRefOf(instance, next, offer, launch.ports, input.streamId, draft.now);
    const step = stepAndRecord(draft, instance, { kind: 'launch', task, version: next.version });
    const launched = step?.changed === true ? step.instance : null;
    if (launched === null) continue;
    const info = buildTaskInfo({ spec: next.spec, instance: launched, task, resources: launch.resources, role: offer.role, extended: input.extended });
    const order = orders.get(offer.id) ?? { offer, tasks: [] };
    order.tasks.push({ taskId: task.taskId, instance: launched, info });
    orders.set(offer.id, order);
    usedBy.set(instance.appId, (usedBy.get(instance.appId) ?? new Set()).add(offer.id));
  }
  return {
    accepts: [...orders.values()].map(({ offer, tasks }) => ({ offerId: offer.id, agentId: offer.agentId, role: offer.role, tasks })),
    useless: offers.filter(({ id, role }) => unused.has(id) && (roles.size > 1 || !roles.has(role))).map(({ id }) => id),
    refusals: groupRefusals(match.refusals),
    used: new Map([...usedBy].map(([id, taken]) => [id, taken.size])),
  };
}

const taskRefOf = (instance: Instance, { imageDigest }: LaunchVersion, offer: OfferView, ports: readonly number[], streamId: string, now: number): TaskRef => ({
  taskId: newTaskId(instance.id, instance.incarnation + 1),
  agentId: offer.agentId,
  hostname: offer.hostname,
  agentAddress: offer.agentAddress,
  attributes: offer.attributes,
  region: offer.region,
  zone: offer.zone,
  ports,
  streamId,
  stagedAt: now,
  ...(imageDigest === undefined ? {} : { imageDigest }),
});

function groupRefusals(refusals: readonly Refusal[]): ReadonlyMap<AppId, readonly Refusal[]> {
  const groups = new Map<AppId, Refusal[]>();
  for (const refusal of refusals) {
    const group = groups.get(refusal.appId);
    if (group === undefined) groups.set(refusal.appId, [refusal]);
    else group.push(refusal);
  }
  return groups;
}
