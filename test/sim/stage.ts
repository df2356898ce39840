/**
 * What a happening may reach: the cluster, its users, and the hands that take parts away or spoil messages.
 */
import { Moments } from './moments.js';
import { Parts } from './parts.js';
import { SpoiltMessages } from './spoilt-messages.js';
import type { Traits } from './traits.js';
import type { Clients } from './workloads/clients.js';
import type { World } from './world/world.js';

export class Stage {
  /** Kind → how often it happened. */
  readonly counts = new Map<string, number>();
  readonly parts: Parts;
  readonly moments: Moments;
  readonly messages: SpoiltMessages;
  private hasEnded = false;
  private readonly undoings = new Set<() => void>();

  constructor(
    readonly world: World,
    readonly traits: Traits,
    readonly clients: Clients,
  ) {
    this.parts = new Parts(world);
    this.moments = new Moments(world);
    this.messages = new SpoiltMessages(world, (fate) => this.count(`a message: ${fate}`));
  }

  /** Ends all bad luck and mends what is broken: from now on the cluster has to become right by itself. */
  calm(): void {
    const { world } = this;
    this.hasEnded = true;
    this.clients.isOpen = false;
    this.messages.stop();
    this.moments.clear();
    for (const undo of this.undoings) undo();
    world.reachesStaleMaster = () => false;
    world.commitFaults.length = 0;
    world.commitDelayMs = () => 1;
    world.isStoreAway = false;
    world.breaksNextStart.clear();
    for (const one of world.stores()) one.mend();
    world.network.heal('paas-api');
    this.parts.mend();
    this.say('the faults stop');
  }

  /** Undoes what has happened after `ms`, or when the bad luck ends if that is earlier. */
  undoAfter(ms: number, undo: () => void): void {
    const once = (): void => {
      if (this.undoings.delete(once)) undo();
    };
    this.undoings.add(once);
    this.world.clock.after(ms, once);
  }

  /** The bad luck is over, and nothing new begins. */
  readonly isOver = (): boolean => this.hasEnded;

  /** Something happened: it is counted and told. */
  note(what: string): void {
    this.count(what);
    this.say(what);
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  private say(event: string): void {
    this.world.log.push({ at: this.world.clock.now(), from: 'fate', level: 'info', event, fields: {} });
  }
}
