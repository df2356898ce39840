/** An offer of the wire as the planner sees it. */
import { attributesToModel, IMAGES_ATTRIBUTE, LACKS_ATTRIBUTE, NETWORKS_ATTRIBUTE, resourcesToModel, type WireOffer } from '@ekiden/mesos';
import { agentId, offerId, role, type Instant } from '@ekiden/model';
import type { OfferView } from '@ekiden/planner';

/** Throws `invalid-id` on an offer that no master would make. `defaultRole`: for a master that names none. */
export function readOffer(wire: WireOffer, defaultRole: string, now: Instant): OfferView {
  const address = wire.url?.address;
  const attributes = attributesToModel(wire.attributes);
  // The agent's name is for people and constraints; it may not resolve from here, its address does.
  const host = address?.ip ?? address?.hostname ?? wire.hostname;
  return {
    id: offerId(wire.id.value),
    agentId: agentId(wire.agent_id.value),
    hostname: wire.hostname,
    agentAddress: address === undefined ? '' : `${host}:${address.port}`,
    role: role(wire.allocation_info?.role ?? wire.resources?.find((one) => one.allocation_info?.role !== undefined)?.allocation_info?.role ?? defaultRole),
    resources: resourcesToModel(wire.resources),
    attributes,
    imagesRefused: refusedIn(attributes[IMAGES_ATTRIBUTE] ?? ''),
    lacks: attributes[LACKS_ATTRIBUTE]?.split(',') ?? [],
    networks: networksIn(attributes[NETWORKS_ATTRIBUTE]),
    region: wire.domain?.fault_domain?.region.name ?? null,
    zone: wire.domain?.fault_domain?.zone.name ?? null,
    isUnavailable: isUnavailable(wire, now),
  };
}

/** What an agent of ours says of itself; one of another Mesos says nothing, and is tried. */
const refusedIn = (said: string): string | null => (said.startsWith('no: ') ? said.slice('no: '.length) : null);

/** An agent of another Mesos does not say, and is tried. */
function networksIn(said: string | undefined): OfferView['networks'] {
  if (said === undefined) return null;
  const why = refusedIn(said);
  return why === null ? { kind: 'some', names: said.split(',') } : { kind: 'none', why };
}

/** In a maintenance window now; one without an end does not end. */
function isUnavailable(wire: WireOffer, now: Instant): boolean {
  const window = wire.unavailability;
  if (window === undefined || window === null) return false;
  const start = window.start.nanoseconds / 1e6;
  const end = window.duration === undefined || window.duration === null ? Infinity : start + window.duration.nanoseconds / 1e6;
  return start <= now && now < end;
}
