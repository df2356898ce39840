/** Which agents of the present master the last turn touched: each is looked at once, when the turn is over. */
import { isTerminal } from '@ekiden/model';
import type { Master } from '../../../apps/master/src/master-ports.js';
import type { SimEvent } from '../world/sim-event.js';
import { resizeIn } from './quantities.js';

/** Kept up once, however many checks want to know. */
export class TouchedAgents {
  /** Those that were offered, accepted, declined, launched on, or heard of in this turn, and by which master. */
  readonly ofTurn = new Map<string, Master>();
  /** Those of them whose tasks may be others now; of the rest only offers came and went. */
  readonly withTasks = new Set<string>();
  /** Offer → its agent: DECLINE names offers only. Those of older masters go with the next one. */
  private agentOf = new Map<string, string>();
  private master: Master | null = null;
  private isOver = false;

  constructor(private readonly agentIdOf: (host: string) => string | null) {}

  follow(event: SimEvent): void {
    if (this.isOver) {
      this.ofTurn.clear();
      this.withTasks.clear();
      this.isOver = false;
    }
    if (event.kind === 'turn-ended') this.isOver = this.ofTurn.size > 0;
    else if (event.kind === 'stream-sent') this.sent(event);
    else if (event.kind === 'call-done') this.called(event);
    else if (event.kind === 'master-sent') {
      const { message, master, host } = event;
      if (message.type === 'registered') this.touchTasks(message.agentId, master);
      else if (message.type === 'launch' || message.type === 'resize' || message.type === 'reconcile-tasks') this.touchTasks(this.agentIdOf(host), master);
    } else if (event.kind === 'master-got') {
      // What a task does while it lives moves no resources, but for a change of its size.
      const { message, master, host } = event;
      if (message.type !== 'status' || isTerminal(message.latestState) || resizeIn(message.status) !== null) this.touchTasks(this.agentIdOf(host), master);
    }
  }

  private sent({ master, event }: Extract<SimEvent, { kind: 'stream-sent' }>): void {
    if (master !== this.master) [this.master, this.agentOf] = [master, new Map()];
    if (event.type === 'OFFERS') {
      for (const offer of event.offers.offers ?? []) {
        this.agentOf.set(offer.id.value, offer.agent_id.value);
        this.ofTurn.set(offer.agent_id.value, master);
      }
    } else if (event.type === 'RESCIND') this.spent(event.rescind.offer_id.value, master);
  }

  private called({ master, call }: Extract<SimEvent, { kind: 'call-done' }>): void {
    const ids =
      call.type === 'ACCEPT'
        ? call.accept.offer_ids
        : call.type === 'DECLINE'
          ? call.decline.offer_ids
          : call.type === 'EKIDEN_RESIZE'
            ? call.resize.offer_ids
            : [];
    for (const { value } of ids ?? []) this.spent(value, master);
  }

  private spent(offerId: string, master: Master): void {
    this.touch(this.agentOf.get(offerId), master);
    this.agentOf.delete(offerId);
  }

  private touchTasks(agentId: string | null, master: Master): void {
    if (agentId !== null) this.withTasks.add(agentId);
    this.touch(agentId, master);
  }

  private touch(agentId: string | null | undefined, master: Master): void {
    if (agentId !== undefined && agentId !== null) this.ofTurn.set(agentId, master);
  }
}
