/**
 * What is left of the offers of one round, and what an app needs of them.
 *
 * Plain numbers beside the offer, since a round asks "does it fit" a million times; `refusalOf` is the slow twin of `fits`
 * that says why not, in the order of Marathon's funnel, and is asked only about what was not placed.
 */
import { countPorts, hostPortCount, portsOf, subtractPorts, type AppSpec, type PortRanges } from '@ekiden/model';
import { assignPorts } from './assign-ports.js';
import type { ConstraintSet } from './constraints.js';
import { lackOf } from './needs.js';
import type { LaunchDecision, OfferView, Refusal, RefusalReason, WantedInstance } from './view.js';

export interface Stock {
  readonly offer: OfferView;
  /** Random, so that equals are taken in no fixed order. */
  readonly tie: number;
  cpusMilli: number;
  memMib: number;
  diskMib: number;
  gpus: number;
  ports: PortRanges;
  portCount: number;
  launches: number;
}

export const stockOf = (offer: OfferView, tie: number): Stock => ({
  offer,
  tie,
  cpusMilli: offer.resources.cpusMilli,
  memMib: offer.resources.memMib,
  diskMib: offer.resources.diskMib,
  gpus: offer.resources.gpus,
  ports: offer.resources.ports,
  portCount: countPorts(offer.resources.ports),
  launches: 0,
});

/** Role, maintenance and quantities; exact ports and constraints are not looked at. */
export const fits = (stock: Stock, spec: AppSpec): boolean =>
  stock.cpusMilli >= spec.cpusMilli &&
  stock.memMib >= spec.memMib &&
  stock.diskMib >= spec.diskMib &&
  stock.gpus >= spec.gpus &&
  stock.portCount >= hostPortCount(spec) &&
  stock.offer.role === spec.role &&
  acceptsUnreserved(spec) &&
  lackOf(stock.offer, spec) === null &&
  !stock.offer.isUnavailable;

/** How many instances of the spec the quantities left would hold. */
export function roomFor(stock: Stock, spec: AppSpec): number {
  const byCpus = spec.cpusMilli > 0 ? stock.cpusMilli / spec.cpusMilli : Number.MAX_SAFE_INTEGER;
  const byMem = spec.memMib > 0 ? stock.memMib / spec.memMib : Number.MAX_SAFE_INTEGER;
  const byDisk = spec.diskMib > 0 ? stock.diskMib / spec.diskMib : Number.MAX_SAFE_INTEGER;
  return Math.min(byCpus, byMem, byDisk);
}

/** Takes the resources out of the stock. */
export function take(stock: Stock, wanted: WantedInstance, ports: readonly number[]): LaunchDecision {
  const { spec } = wanted;
  const taken = portsOf(...ports);
  stock.cpusMilli -= spec.cpusMilli;
  stock.memMib -= spec.memMib;
  stock.diskMib -= spec.diskMib;
  stock.gpus -= spec.gpus;
  stock.ports = subtractPorts(stock.ports, taken);
  stock.portCount -= ports.length;
  stock.launches += 1;
  const { cpusMilli, memMib, diskMib, gpus } = spec;
  return { instanceId: wanted.instanceId, offerId: stock.offer.id, ports, resources: { cpusMilli, memMib, diskMib, gpus, ports: taken } };
}

/** Offers hold unreserved resources only: an app that insists on reserved ones fits nowhere, and is told so. */
const acceptsUnreserved = (spec: AppSpec): boolean => spec.acceptedResourceRoles === null || spec.acceptedResourceRoles.includes('*');

/** Why the stock cannot take one more; null when it could. */
export function refusalOf(stock: Stock, spec: AppSpec, constraints: ConstraintSet): Refusal | null {
  const { offer } = stock;
  const refuse = (reason: RefusalReason, text: string, shortfall: Refusal['shortfall'] = null): Refusal => ({
    appId: spec.id,
    agentId: offer.agentId,
    hostname: offer.hostname,
    reason,
    text,
    shortfall,
  });
  const short = (reason: RefusalReason, needed: number, free: number, unit: string, scale: number): Refusal =>
    refuse(reason, `needs ${needed / scale} ${unit}, ${free / scale} ${free === scale ? 'is' : 'are'} free`, { needed, free });

  if (offer.role !== spec.role) return refuse('UnfulfilledRole', `needs role ${spec.role}, this offer is for ${offer.role}`);
  if (!acceptsUnreserved(spec))
    return refuse('NoCorrespondingReservationFound', `accepts only what is reserved for ${spec.acceptedResourceRoles?.join(', ')}; nothing here is reserved`);
  const constraint = constraints.refusal(offer);
  if (constraint !== null) return refuse('UnfulfilledConstraint', constraint);
  const lack = lackOf(offer, spec);
  // Marathon has no reason of its own for it: to its clients it is a constraint like others.
  if (lack !== null) return refuse('UnfulfilledConstraint', lack);
  if (offer.isUnavailable) return refuse('AgentMaintenance', `${offer.hostname} is in a maintenance window`);
  if (stock.cpusMilli < spec.cpusMilli) return short('InsufficientCpus', spec.cpusMilli, stock.cpusMilli, 'cpus', 1000);
  if (stock.memMib < spec.memMib) return short('InsufficientMemory', spec.memMib, stock.memMib, 'MiB of memory', 1);
  if (stock.diskMib < spec.diskMib) return short('InsufficientDisk', spec.diskMib, stock.diskMib, 'MiB of disk', 1);
  if (stock.gpus < spec.gpus) return short('InsufficientGpus', spec.gpus, stock.gpus, 'gpus', 1);
  const ports = assignPorts(stock.ports, spec, () => 0);
  return ports.kind === 'missing' ? refuse('InsufficientPorts', ports.text, { needed: ports.needed, free: ports.free }) : null;
}
