/** An offer as Mesos writes it: addressed to a framework, in the form that its capabilities ask for. */
import { resourcesToWire, type WireOffer } from '@ekiden/mesos';
import { invariant } from '@ekiden/model';
import { hasCapability, type Core, type Framework, type Offer } from '../cluster/core.js';

export function wireOffer(core: Core, framework: Framework, offer: Offer): WireOffer {
  const agent = core.agents.get(offer.agentId);
  invariant(agent !== undefined, `offer ${offer.offerId} is of an unknown agent`);
  const isMultiRole = hasCapability(framework, 'MULTI_ROLE');
  const { ip, port } = splitAddress(agent.address);
  return {
    id: { value: offer.offerId },
    framework_id: { value: framework.frameworkId },
    agent_id: { value: agent.agentId },
    hostname: agent.hostname,
    url: { scheme: 'http', address: { hostname: agent.hostname, ip, port }, path: '/slave(1)' },
    ...(agent.region !== null && agent.zone !== null ? { domain: { fault_domain: { region: { name: agent.region }, zone: { name: agent.zone } } } } : {}),
    resources: isMultiRole ? resourcesToWire(offer.resources, offer.role) : resourcesToWire(offer.resources),
    ...(agent.attributes.length > 0 ? { attributes: [...agent.attributes] } : {}),
    ...(isMultiRole ? { allocation_info: { role: offer.role } } : {}),
  };
}

/** `10.0.0.1:5051` → its two halves. */
export function splitAddress(address: string): { readonly ip: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { ip: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
