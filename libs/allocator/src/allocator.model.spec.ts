/**
 * Random histories against a slow, obvious allocator: it keeps a list of holdings, and recounts everything each time.
 *
 * After every step: no agent has more out than it has, the buckets add up, and both allocators make the same offers.
 */
import fc from 'fast-check';
import {
  addResources,
  agentId,
  containsResources,
  frameworkId,
  NO_RESOURCES,
  portsOf,
  role,
  subtractResources,
  sumResources,
  type AgentId,
  type FrameworkId,
  type Resources,
  type Role,
} from '@ekiden/model';
import { allocate, type Allocation } from './allocate.js';
import * as allocator from './state.js';

const AGENTS = ['a0', 'a1', 'a2'].map(agentId);
const FRAMEWORKS = ['f0', 'f1', 'f2'].map(frameworkId);
const ROLES: Readonly<Record<string, Role>> = { f0: role('eng'), f1: role('eng/web'), f2: role('sales') };
const roleOf = (id: FrameworkId): Role => ROLES[id]!;

interface Holding {
  agentId: AgentId;
  frameworkId: FrameworkId;
  resources: Resources;
  isOffer: boolean;
}

class SlowAllocator {
  readonly totals = new Map<AgentId, Resources>();
  holdings: Holding[] = [];
  filters: { agentId: AgentId; frameworkId: FrameworkId; refused: Resources; until: number }[] = [];
  readonly suppressed = new Set<FrameworkId>();
  readonly served = new Map<string, number>();

  free(id: AgentId): Resources {
    const held = sumResources(this.holdings.filter((one) => one.agentId === id).map((one) => one.resources));
    const total = this.totals.get(id) ?? NO_RESOURCES;
    return containsResources(total, held) ? subtractResources(total, held) : NO_RESOURCES;
  }

  next(id: AgentId, now: number): FrameworkId | null {
    const free = this.free(id);
    if (free.cpusMilli < 10 && free.memMib < 32) return null;
    const takes = (f: FrameworkId) =>
      !this.suppressed.has(f) &&
      !this.filters.some((one) => one.agentId === id && one.frameworkId === f && one.until > now && containsResources(one.refused, free));
    const order = (groups: readonly (readonly [string, readonly FrameworkId[]])[]) =>
      [...groups].sort((x, y) => this.share(x[1]) - this.share(y[1]) || this.count(x[0]) - this.count(y[0]) || (x[0] < y[0] ? -1 : 1));
    // The tree: eng (f0 itself, and eng/web with f1) beside sales.
    for (const [top] of order([
      ['eng', FRAMEWORKS.slice(0, 2)],
      ['sales', FRAMEWORKS.slice(2)],
    ])) {
      const inner: readonly (readonly [string, readonly FrameworkId[]])[] =
        top === 'sales'
          ? [['sales/.', FRAMEWORKS.slice(2)]]
          : [
              ['eng/.', FRAMEWORKS.slice(0, 1)],
              ['eng/web', FRAMEWORKS.slice(1, 2)],
            ];
      for (const [, [framework]] of order(inner)) if (framework !== undefined && takes(framework)) return framework;
    }
    return null;
  }

  give(id: AgentId, f: FrameworkId, resources: Resources): void {
    this.holdings.push({ agentId: id, frameworkId: f, resources, isOffer: true });
    for (const key of { f0: ['eng', 'eng/.'], f1: ['eng', 'eng/web'], f2: ['sales', 'sales/.'] }[f as string] ?? []) this.served.set(key, this.count(key) + 1);
  }

  private count = (key: string): number => this.served.get(key) ?? 0;

  private share(frameworks: readonly FrameworkId[]): number {
    const total = sumResources([...this.totals.values()].map((one) => ({ ...one, ports: [] })));
    const used = sumResources(this.holdings.filter((one) => frameworks.includes(one.frameworkId)).map((one) => ({ ...one.resources, ports: [] })));
    const part = (a: number, b: number) => (a <= 0 ? 0 : b <= 0 ? 1 : a / b);
    return Math.max(part(used.cpusMilli, total.cpusMilli), part(used.memMib, total.memMib));
  }
}

type Step =
  | { do: 'agent'; agent: number; cpus: number; mem: number; ports: number }
  | { do: 'remove'; agent: number }
  | { do: 'allocate' }
  | { do: 'launch' | 'decline' | 'end'; pick: number; part: number }
  | { do: 'suppress' | 'revive'; framework: number }
  | { do: 'wait'; ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('agent' as const),
    agent: fc.nat(2),
    cpus: fc.integer({ min: 0, max: 8000 }),
    mem: fc.integer({ min: 0, max: 4096 }),
    ports: fc.nat(4),
  }),
  fc.record({ do: fc.constant('remove' as const), agent: fc.nat(2) }),
  fc.constant({ do: 'allocate' as const }),
  fc.record({ do: fc.constantFrom('launch' as const, 'decline' as const, 'end' as const), pick: fc.nat(20), part: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constantFrom('suppress' as const, 'revive' as const), framework: fc.nat(2) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 4000 }) }),
);

it('does what the slow allocator does, never over-commits, and its buckets add up', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const fast = allocator.newAllocatorState();
      const slow = new SlowAllocator();
      for (const id of FRAMEWORKS)
        allocator.setFramework(fast, { frameworkId: id, roles: [roleOf(id)], suppressed: new Set(), active: true, takesGpus: false });
      let now = 0;
      for (const one of steps) {
        if (one.do === 'wait') now += one.ms;
        else apply(one, fast, slow, now);
        check(fast, slow);
      }
    }),
    { numRuns: 300 },
  );
});

function apply(one: Exclude<Step, { do: 'wait' }>, fast: allocator.AllocatorState, slow: SlowAllocator, now: number): void {
  switch (one.do) {
    case 'agent': {
      const total = { ...NO_RESOURCES, cpusMilli: one.cpus, memMib: one.mem, ports: portsOf(...Array.from({ length: one.ports }, (_, port) => 31000 + port)) };
      allocator.setAgent(fast, { agentId: AGENTS[one.agent]!, total, active: true });
      slow.totals.set(AGENTS[one.agent]!, total);
      return;
    }
    case 'remove': {
      const id = AGENTS[one.agent]!;
      allocator.removeAgent(fast, id);
      slow.totals.delete(id);
      slow.holdings = slow.holdings.filter((holding) => holding.agentId !== id);
      slow.filters = slow.filters.filter((filter) => filter.agentId !== id);
      return;
    }
    case 'allocate': {
      const expected: Allocation[] = [];
      for (const id of AGENTS) {
        const f = slow.totals.has(id) ? slow.next(id, now) : null;
        if (f === null) continue;
        const resources = slow.free(id);
        slow.give(id, f, resources);
        expected.push({ agentId: id, frameworkId: f, role: roleOf(f), resources });
      }
      expect(allocate(fast, AGENTS, now)).toEqual(expected);
      return;
    }
    case 'suppress':
    case 'revive': {
      const id = FRAMEWORKS[one.framework]!;
      allocator[one.do](fast, id, [roleOf(id)]);
      if (one.do === 'suppress') slow.suppressed.add(id);
      else slow.suppressed.delete(id);
      if (one.do === 'revive') slow.filters = slow.filters.filter((filter) => filter.frameworkId !== id);
      return;
    }
    case 'launch':
    case 'decline':
    case 'end':
      finish(one, fast, slow, now);
  }
}

/** Ends an offer (with or without a launch from a part of it) or a task. */
function finish(one: { do: 'launch' | 'decline' | 'end'; pick: number; part: number }, fast: allocator.AllocatorState, slow: SlowAllocator, now: number): void {
  const fitting = slow.holdings.filter((holding) => holding.isOffer === (one.do !== 'end'));
  const holding = fitting[one.pick % Math.max(1, fitting.length)];
  if (holding === undefined) return;
  const slot = { agentId: holding.agentId, frameworkId: holding.frameworkId, role: roleOf(holding.frameworkId) };
  slow.holdings.splice(slow.holdings.indexOf(holding), 1);
  if (one.do === 'end') return allocator.release(fast, slot, holding.resources);
  allocator.takeBack(fast, slot, holding.resources);
  if (one.do === 'decline') {
    allocator.refuse(fast, slot, holding.resources, now + one.part * 1000);
    slow.filters.push({ agentId: slot.agentId, frameworkId: slot.frameworkId, refused: holding.resources, until: now + one.part * 1000 });
    return;
  }
  const { cpusMilli, memMib, ports } = holding.resources;
  const used = {
    ...NO_RESOURCES,
    cpusMilli: Math.floor(cpusMilli / one.part),
    memMib: Math.floor(memMib / one.part),
    ports: ports[0] ? portsOf(ports[0].begin) : [],
  };
  allocator.use(fast, slot, used);
  slow.holdings.push({ ...slot, resources: used, isOffer: false });
}

function check(fast: allocator.AllocatorState, slow: SlowAllocator): void {
  for (const agent of fast.agents.values()) {
    const held = slow.holdings.filter((holding) => holding.agentId === agent.agentId);
    expect(agent.offered).toEqual(sumResources(held.filter((one) => one.isOffer).map((one) => one.resources)));
    expect(agent.allocated).toEqual(sumResources(held.filter((one) => !one.isOffer).map((one) => one.resources)));
    const free = allocator.freeOf(agent);
    // With what is free, all that is out is never more than the agent has, unless it came back smaller.
    const out = addResources(addResources(agent.allocated, agent.offered), free);
    expect(containsResources(agent.total, out) || free === NO_RESOURCES).toBe(true);
  }
}
