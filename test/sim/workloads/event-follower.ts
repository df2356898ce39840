/**
 * Somebody who follows `/v2/events`, as balancers do: reads the state at each connect, and from then on goes by the events.
 *
 * Over fail-overs it connects anew. What it is told was committed, comes once, in order, without a gap; and whatever changes in what
 * an app's readers see is told by an event that names the app, or the balancer would never look.
 */
import type { AppId } from '@ekiden/model';
import type { PaasApi } from '../../../apps/paas-api/src/paas-api.js';
import type { EventRow } from '../../../apps/paas-api/src/store/paas-store.js';
import type { Happening } from '../happening.js';
import type { Stage } from '../stage.js';

const MEAN_LENGTH_MS = 120_000;
/** How soon it tries again when a stream has ended. */
const RECONNECT_MS = 500;

export const eventFollower: Happening = {
  name: 'somebody follows the events',
  meanMs: 90_000,
  happen(stage, chance) {
    const follower = new Follower(stage);
    follower.connect();
    stage.world.clock.after(chance.around(MEAN_LENGTH_MS), () => follower.end());
  },
};

class Follower {
  private api: PaasApi | null = null;
  private leave: (() => void)[] = [];
  private lastSeq: number | null = null;
  /** App → what its readers saw when an event named it last, or at the connect. */
  private readonly seen = new Map<AppId, string>();
  private readonly unexplained = new Set<AppId>();
  private hasEnded = false;

  constructor(private readonly stage: Stage) {}

  connect(): void {
    const { world } = this.stage;
    if (this.hasEnded) return;
    const api = world.hasApi && world.api.isLeading ? world.api : null;
    if (api !== this.api) {
      this.disconnect();
      if (api !== null) this.attach(api);
    }
    world.clock.after(RECONNECT_MS, () => this.connect());
  }

  end(): void {
    this.hasEnded = true;
    this.disconnect();
  }

  private attach(api: PaasApi): void {
    this.api = api;
    for (const app of api.view.apps()) this.seen.set(app.id, whatReadersSee(api, app.id));
    this.leave = [api.onEvent((event) => this.told(event)), api.onChange((apps) => this.changed(apps))];
  }

  private disconnect(): void {
    for (const leave of this.leave.splice(0)) leave();
    this.api = null;
    this.lastSeq = null;
    this.seen.clear();
    this.unexplained.clear();
  }

  private told(event: EventRow): void {
    const { world, clients } = this.stage;
    const committed = world.paasDatabase.events.findLast((row) => row.seq === event.seq);
    if (committed === undefined) clients.breaches.push(`1. event ${event.seq} ${event.type} was told, and is not committed`);
    if (this.lastSeq !== null && event.seq !== this.lastSeq + 1)
      clients.breaches.push(`1. event ${event.seq} ${event.type} was told after ${this.lastSeq}: one was left out, or came twice`);
    this.lastSeq = event.seq;
    const text = JSON.stringify(event.payload);
    for (const id of this.unexplained) if (text.includes(`"${id}"`)) this.unexplained.delete(id);
  }

  /** Comes before the events of the same commit: they are waited for. */
  private changed(apps: ReadonlySet<AppId>): void {
    const { api } = this;
    if (api === null) return;
    for (const id of apps) {
      const sees = whatReadersSee(api, id);
      if (sees !== (this.seen.get(id) ?? '')) this.unexplained.add(id);
      this.seen.set(id, sees);
    }
    this.stage.world.clock.after(0, () => this.expectExplained(api));
  }

  private expectExplained(api: PaasApi): void {
    if (api !== this.api) return;
    for (const id of this.unexplained)
      this.stage.clients.breaches.push(`8. ${id}: what its readers see changed, and no event told it; now ${this.seen.get(id) ?? 'nothing'}`);
    this.unexplained.clear();
  }
}

/** What a balancer would use of an app: its running tasks, where they are, whether they are healthy. */
function whatReadersSee(api: PaasApi, id: AppId): string {
  const { view } = api;
  return view
    .instances(id)
    .flatMap((one) => (one.condition.kind === 'running' ? [`${one.condition.task.taskId} ${view.health(one)}`] : []))
    .sort()
    .join(', ');
}
