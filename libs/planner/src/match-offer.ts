/**
 * Which waiting instances go to which offers, and why the rest do not.
 *
 * Apps take turns by how long they wait. The launches of one app are spread: first to the agent with the fewest of its
 * instances, then to the one with the most room, equals at random (Marathon takes whatever offer comes first). What is
 * placed in this round counts at once, for resources and for constraints.
 * Fast in two ways. An app chooses among a random part of the offers, and looks at the rest only if that part cannot take
 * all of its instances. And the part is a heap (one for each GROUP_BY group) with keys corrected lazily, so an instance
 * costs O(log offers), not a scan. Hand in the same `spec` object for instances of the same version: they are one batch then.
 * Absent on purpose: ACCEPT and DECLINE, records, the choice of filters.
 */
import type { AppId, AppSpec, Instant } from '@ekiden/model';
import { assignPorts } from './assign-ports.js';
import { ConstraintSet } from './constraints.js';
import { Heap } from './heap.js';
import { fits, refusalOf, roomFor, stockOf, take, type Stock } from './offer-stock.js';
import { fieldValue } from './place.js';
import type { LaunchDecision, MatchResult, OfferView, Peer, Refusal, WantedInstance } from './view.js';

export interface MatchInput {
  readonly offers: readonly OfferView[];
  /** Scheduled and past their back-off; each once. */
  readonly wanted: readonly WantedInstance[];
  readonly peers: ReadonlyMap<AppId, readonly Peer[]>;
  /** In [0, 1). */
  readonly random: () => number;
  /** Launches taken from one offer, at most. */
  readonly maxPerOffer: number;
  readonly now: Instant;
}

/** Never throws; each wanted instance is launched at most once, and no offer gives more than it has. */
export function matchOffers(input: MatchInput): MatchResult {
  const stocks = input.offers.map((offer) => stockOf(offer, input.random()));
  const siblings = new Map<AppId, Peer[]>();
  const launches: LaunchDecision[] = [];
  const refusals = new Map<string, Refusal>();
  for (const batch of batchesOf(input.wanted)) {
    let peers = siblings.get(batch.spec.id);
    if (peers === undefined) siblings.set(batch.spec.id, (peers = [...(input.peers.get(batch.spec.id) ?? [])]));
    const placement = new BatchPlacement(batch.spec, stocks, peers, input);
    const placed = placement.placeAll(batch.wanted);
    for (const launch of placed) launches.push(launch);
    if (placed.length === batch.wanted.length) continue;
    for (const refusal of placement.refusals()) refusals.set(`${refusal.appId} ${refusal.agentId}`, refusal);
  }
  return { launches, refusals: [...refusals.values()], unused: stocks.filter((stock) => stock.launches === 0).map((stock) => stock.offer.id) };
}

/** An app chooses among at least so many offers that fit, if there are so many. */
const MIN_CANDIDATES = 32;

interface Batch {
  readonly spec: AppSpec;
  readonly wanted: WantedInstance[];
}

/** Instances of one spec together; who waits longest comes first. */
function batchesOf(wanted: readonly WantedInstance[]): Batch[] {
  const bySpec = new Map<AppSpec, Batch>();
  for (const one of [...wanted].sort((a, b) => a.since - b.since)) {
    const batch = bySpec.get(one.spec);
    if (batch === undefined) bySpec.set(one.spec, { spec: one.spec, wanted: [one] });
    else batch.wanted.push(one);
  }
  return [...bySpec.values()];
}

/** An offer as a candidate of one batch. `siblings` and `room` are corrected when it reaches the top. */
interface Candidate {
  readonly stock: Stock;
  siblings: number;
  room: number;
}

const isBetter = (a: Candidate, b: Candidate): boolean => {
  if (a.siblings !== b.siblings) return a.siblings < b.siblings;
  return a.room !== b.room ? a.room > b.room : a.stock.tie < b.stock.tie;
};

class BatchPlacement {
  private readonly constraints: ConstraintSet;
  private readonly siblingsOn = new Map<string, number>();
  /** One heap for all places that are alike to GROUP_BY. */
  private readonly groups = new Map<string, Heap<Candidate>>();
  /** Where the search for candidates goes on, and how many offers it has seen. */
  private cursor: number;
  private searched = 0;

  constructor(
    private readonly spec: AppSpec,
    private readonly stocks: readonly Stock[],
    private readonly peers: Peer[],
    private readonly input: Pick<MatchInput, 'random' | 'maxPerOffer'>,
  ) {
    this.constraints = new ConstraintSet(spec.constraints, peers);
    for (const peer of peers) this.siblingsOn.set(peer.hostname, (this.siblingsOn.get(peer.hostname) ?? 0) + 1);
    this.cursor = Math.floor(input.random() * stocks.length);
  }

  placeAll(wanted: readonly WantedInstance[]): LaunchDecision[] {
    this.search(Math.max(MIN_CANDIDATES, 2 * wanted.length));
    const placed: LaunchDecision[] = [];
    for (const one of wanted) {
      const launch = this.placeOne(one) ?? (this.search(this.stocks.length) ? this.placeOne(one) : null);
      if (launch === null) break;
      placed.push(launch);
    }
    return placed;
  }

  /** Why each offer takes no further instance of this batch. Offers that only reached `maxPerOffer` have refused nothing. */
  refusals(): Refusal[] {
    return this.stocks.map((stock) => refusalOf(stock, this.spec, this.constraints)).filter((refusal) => refusal !== null);
  }

  /** Adds up to `count` offers that fit. False when none was left to add. */
  private search(count: number): boolean {
    let found = 0;
    for (; this.searched < this.stocks.length && found < count; this.searched += 1) {
      const stock = this.stocks[this.cursor];
      this.cursor = (this.cursor + 1) % this.stocks.length;
      if (stock === undefined || !this.isOpen(stock) || !this.constraints.admits(stock.offer)) continue;
      found += 1;
      const key = this.groupOf(stock.offer);
      let heap = this.groups.get(key);
      if (heap === undefined) this.groups.set(key, (heap = new Heap(isBetter)));
      heap.push({ stock, siblings: this.siblingsOn.get(stock.offer.hostname) ?? 0, room: roomFor(stock, this.spec) });
    }
    return found > 0;
  }

  private placeOne(wanted: WantedInstance): LaunchDecision | null {
    for (let heap = this.bestGroup(); heap !== null; heap = this.bestGroup()) {
      const candidate = heap.peek();
      if (candidate === undefined) return null;
      const { stock } = candidate;
      const assignment = assignPorts(stock.ports, this.spec, this.input.random);
      if (assignment.kind === 'missing') {
        heap.pop(); // what lacks a port will not get it back in this round
        continue;
      }
      const launch = take(stock, wanted, assignment.ports);
      this.remember(stock.offer, wanted);
      this.settleTop(heap);
      return launch;
    }
    return null;
  }

  private remember(offer: OfferView, { isOlder = false }: WantedInstance): void {
    const { hostname, attributes, region, zone } = offer;
    const peer: Peer = { hostname, attributes, region, zone };
    if (!isOlder) this.peers.push(peer);
    this.constraints.add(peer);
    this.siblingsOn.set(hostname, (this.siblingsOn.get(hostname) ?? 0) + 1);
  }

  /** The group whose top is the best place that every constraint accepts now. */
  private bestGroup(): Heap<Candidate> | null {
    let best: Heap<Candidate> | null = null;
    let bestTop: Candidate | undefined;
    for (const [key, heap] of this.groups) {
      const top = this.settleTop(heap);
      if (top === undefined) this.groups.delete(key);
      else if ((bestTop === undefined || isBetter(top, bestTop)) && this.constraints.balances(top.stock.offer)) [best, bestTop] = [heap, top];
    }
    return best;
  }

  /** Drops what can take no more and corrects keys until the top is true; answers it. */
  private settleTop(heap: Heap<Candidate>): Candidate | undefined {
    for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
      if (!this.isOpen(top.stock) || !this.constraints.admits(top.stock.offer)) {
        heap.pop();
        continue;
      }
      const siblings = this.siblingsOn.get(top.stock.offer.hostname) ?? 0;
      const room = roomFor(top.stock, this.spec);
      if (siblings === top.siblings && room === top.room) return top;
      top.siblings = siblings;
      top.room = room;
      heap.sinkTop();
    }
    return undefined;
  }

  private groupOf(offer: OfferView): string {
    const { groupFields } = this.constraints;
    return groupFields.length === 0 ? '' : groupFields.map((field) => fieldValue(offer, field) ?? '').join('\n');
  }

  private isOpen(stock: Stock): boolean {
    return stock.launches < this.input.maxPerOffer && fits(stock, this.spec);
  }
}
