/**
 * Offers that are out. An offer is spent once: whoever takes it out of the ledger has it, and nobody else can.
 *
 * An offer leaves by ACCEPT or DECLINE (taken by its framework), or is rescinded: its agent left, it was not answered in
 * time, the role was given up. A framework that goes away loses its offers silently, as in Mesos.
 */
import { refuse, takeBack, type Allocation } from '@ekiden/allocator';
import { resourcesToModel } from '@ekiden/mesos';
import { offerId, type FrameworkId } from '@ekiden/model';
import { count, type Core, type Framework, type Offer } from '../cluster/core.js';
import { wireOffer } from './wire-offer.js';

/** An offer that was not answered counts as refused, for as long as a refusal that names no time. Mesos gives it no filter. */
const EXPIRED_REFUSE_MS = 5_000;

/** One OFFERS event for each framework. The allocator has already marked the resources as offered. */
export function makeOffers(core: Core, allocations: readonly Allocation[]): void {
  const byFramework = new Map<FrameworkId, Offer[]>();
  for (const allocation of allocations) {
    const framework = core.frameworks.get(allocation.frameworkId);
    const agent = core.agents.get(allocation.agentId);
    if (framework === undefined || agent === undefined) {
      takeBack(core.allocator, allocation, allocation.resources);
      continue;
    }
    const id = offerId(`${core.masterId}-O${core.epoch}-${core.nextOffer++}`);
    const offer: Offer = { offerId: id, ...allocation, expiry: null };
    offer.expiry = core.ports.clock.after(core.ports.config.offerTimeoutMs, () => {
      count(core, 'offers_expired');
      rescind(core, offer);
      // Or it would come back at once to whoever does not answer, as long as that framework uses least.
      refuse(core.allocator, offer, resourcesToModel(agent.resources), core.ports.clock.now() + EXPIRED_REFUSE_MS);
    });
    core.offers.set(id, offer);
    framework.offers.set(id, offer);
    agent.offers.set(id, offer);
    const batch = byFramework.get(framework.frameworkId);
    if (batch === undefined) byFramework.set(framework.frameworkId, [offer]);
    else batch.push(offer);
  }
  for (const [frameworkId, batch] of byFramework) {
    const framework = core.frameworks.get(frameworkId);
    if (framework === undefined) continue;
    count(core, 'offers_sent', batch.length);
    framework.session?.send({ type: 'OFFERS', offers: { offers: batch.map((offer) => wireOffer(core, framework, offer)) } });
  }
}

/** Spends an offer of this framework; null: there is none (spent, rescinded, somebody else's). */
export function spend(core: Core, framework: Framework, id: string): Offer | null {
  const offer = framework.offers.get(id);
  if (offer === undefined) return null;
  remove(core, offer);
  return offer;
}

/** Withdraws an offer and says so; its resources are free for the next one. */
export function rescind(core: Core, offer: Offer): void {
  if (!core.offers.has(offer.offerId)) return;
  remove(core, offer);
  count(core, 'offers_rescinded');
  core.frameworks.get(offer.frameworkId)?.session?.send({ type: 'RESCIND', rescind: { offer_id: { value: offer.offerId } } });
}

/** Withdraws all offers of a framework without a word: its stream is gone. */
export function withdrawAll(core: Core, framework: Framework): void {
  for (const offer of [...framework.offers.values()]) remove(core, offer);
}

function remove(core: Core, offer: Offer): void {
  offer.expiry?.cancel();
  core.offers.delete(offer.offerId);
  core.frameworks.get(offer.frameworkId)?.offers.delete(offer.offerId);
  core.agents.get(offer.agentId)?.offers.delete(offer.offerId);
  takeBack(core.allocator, offer, offer.resources);
  core.look(offer.agentId);
}
