/**
 * When allocation runs: at the end of the turn in which an agent's free resources changed, for just those agents.
 *
 * `look` adds candidates; one run serves all that came before it. Filters that end wake it too.
 */
import { allocate, nextFilterEnd, takeEndedFilters } from '@ekiden/allocator';
import type { AgentId, Timer } from '@ekiden/model';
import { count, type Core } from '../cluster/core.js';
import { makeOffers } from './offer-ledger.js';

/** Filters that end within so many ms of one another wake one run. */
const FILTER_GRAIN_MS = 50;

export class AllocationLoop {
  readonly #candidates = new Set<AgentId>();
  #run: Timer | null = null;
  #filterEnd: { readonly at: number; readonly timer: Timer } | null = null;
  #isStopped = false;

  constructor(private readonly core: () => Core) {}

  look(agentId: AgentId | null): void {
    if (this.#isStopped) return;
    const { agents, ports } = this.core();
    if (agentId !== null) this.#candidates.add(agentId);
    else for (const agent of agents.values()) if (agent.state === 'registered') this.#candidates.add(agent.agentId);
    this.#run ??= ports.clock.after(0, () => this.#allocate());
  }

  stop(): void {
    this.#isStopped = true;
    this.#run?.cancel();
    this.#filterEnd?.timer.cancel();
  }

  #allocate(): void {
    this.#run = null;
    const core = this.core();
    const candidates = [...this.#candidates];
    this.#candidates.clear();
    count(core, 'allocation_runs');
    makeOffers(core, allocate(core.allocator, candidates, core.ports.clock.now()));
    this.#awaitFilters();
  }

  /** A filter may have been added since: the earliest end is asked for after each run. */
  #awaitFilters(): void {
    const { allocator, ports } = this.core();
    const at = nextFilterEnd(allocator);
    if (at === null || (this.#filterEnd !== null && this.#filterEnd.at <= at)) return;
    this.#filterEnd?.timer.cancel();
    const delayMs = Math.min(MAX_WAIT_MS, Math.max(0, at - ports.clock.now()) + FILTER_GRAIN_MS);
    const timer = ports.clock.after(delayMs, () => {
      this.#filterEnd = null;
      for (const agentId of takeEndedFilters(allocator, ports.clock.now())) this.look(agentId);
      this.#awaitFilters();
    });
    this.#filterEnd = { at, timer };
  }
}

/** Timers are set for at most a day: filters may last a year, timers not. */
const MAX_WAIT_MS = 86_400_000;
