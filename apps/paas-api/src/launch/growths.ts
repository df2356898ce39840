/** Tasks that want to grow, and the offers at hand that pay for it. Pure. */
import { sumResources, type AgentId, type InstanceId, type Role, type TaskSize } from '@ekiden/model';
import type { OfferView } from '@ekiden/planner';

/** More cpus or memory for a task, which only offers of its own agent can give. */
export interface Growth {
  readonly instanceId: InstanceId;
  readonly agentId: AgentId;
  readonly role: Role;
  /** Beyond what it has; at least one is above 0. */
  readonly by: TaskSize;
}

export interface PaidGrowth {
  readonly growth: Growth;
  /** All of its agent: what is left of them is offered again at once. */
  readonly offers: readonly OfferView[];
}

/** One for each agent at most, since it takes all that its agent has on offer; the rest waits for the next ones. */
export function paidGrowths(growths: Iterable<Growth>, held: Iterable<OfferView>): readonly PaidGrowth[] {
  const left = new Set(held);
  return [...growths].flatMap((growth) => {
    const offers = [...left].filter(({ agentId, role }) => agentId === growth.agentId && role === growth.role);
    const { cpusMilli, memMib } = sumResources(offers.map(({ resources }) => resources));
    if (offers.length === 0 || cpusMilli < growth.by.cpusMilli || memMib < growth.by.memMib) return [];
    for (const offer of offers) left.delete(offer);
    return [{ growth, offers }];
  });
}
