/** Holds a world to its invariants, from its first moment: told of each event, it tells the checks that want to know. */
import type { SimEvent } from '../world/sim-event.js';
import type { Check, Invariant } from './invariant.js';
import { Sight, type Scene } from './sight.js';

/** A full scan each virtual minute. */
export const SCAN_INTERVAL_MS = 60_000;
/** Further breaches are counted, not told: the first ones say what is wrong. */
const MAX_BREACHES = 200;

type AnyHandler = (event: SimEvent) => void;

export class Judge {
  readonly breaches: string[] = [];
  readonly sight: Sight;
  private readonly excused = new Set<string>();
  private readonly checks: readonly Check[];
  private readonly handlers = new Map<SimEvent['kind'], AnyHandler[]>();

  constructor(scene: Scene, invariants: readonly Invariant[]) {
    this.sight = new Sight(scene);
    this.checks = invariants.map((invariant) => this.begin(invariant));
  }

  /** The scenario itself breaks this one, by its id, to see what the others say. */
  excuse(id: string): void {
    this.excused.add(id);
  }

  /** A witness of the world. */
  readonly see = (event: SimEvent): void => {
    this.sight.follow(event);
    const handlers = this.handlers.get(event.kind);
    if (handlers !== undefined) for (const handle of handlers) handle(event);
  };

  /** Looks at everything. */
  scan(): void {
    this.sight.books.forget();
    for (const check of this.checks) check.scan?.();
  }

  /** The faults are over, all has become right: nothing may be left over. */
  atRest(): void {
    this.scan();
    for (const check of this.checks) check.atRest?.();
  }

  private begin(invariant: Invariant): Check {
    const told = new Set<string>();
    const check = invariant.begin(this.sight, (text) => {
      // What is wrong and stays so is said once.
      if (this.excused.has(invariant.id) || told.has(text) || this.breaches.length >= MAX_BREACHES) return;
      told.add(text);
      this.breaches.push(`${invariant.id}. ${text} [${invariant.name}: ${invariant.sentence}]`);
    });
    for (const [kind, handle] of Object.entries(check.on ?? {})) this.listen(kind as SimEvent['kind'], handle as AnyHandler);
    return check;
  }

  private listen(kind: SimEvent['kind'], handle: AnyHandler): void {
    const handlers = this.handlers.get(kind);
    if (handlers === undefined) this.handlers.set(kind, [handle]);
    else handlers.push(handle);
  }

  /** From now on. */
  scanEachMinute(): void {
    this.sight.scene.clock.after(SCAN_INTERVAL_MS, () => {
      this.scan();
      this.scanEachMinute();
    });
  }
}
