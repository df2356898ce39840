/**
 * The master's state: agents, frameworks, tasks and offers, in memory.
 *
 * One mutable cell with one owner; every function of the core changes it synchronously, in one turn, so that between two
 * turns all counts agree (a task is in its framework's and its agent's table, an offer in the ledger, its framework's and
 * its agent's). What has to outlive the process (known agents, removed frameworks) is written to the store first.
 */
import { newAllocatorState, type AllocatorState } from '@ekiden/allocator';
import type { RuntimeReport } from '@ekiden/agent-link';
import type { FrameworkInfo, KillPolicy, TaskInfo, TaskStatus, WireAttribute, WireResource } from '@ekiden/mesos';
import type { AgentId, FrameworkId, Instant, OfferId, Resources, Role, TaskId, TaskSize, TaskState, Timer } from '@ekiden/model';
import type { AgentConnection } from '../agents/agent-connection.js';
import { PingRounds } from '../agents/ping-rounds.js';
import type { Session } from '../framework/session.js';
import type { MasterPorts } from '../master-ports.js';

export interface Task {
  readonly taskId: TaskId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly name: string;
  readonly role: Role;
  /** What counts as held while it `holds`: the larger of both sizes while its size changes. Only `cluster/tasks.ts` changes it. */
  resources: Resources;
  /** A change of its size whose outcome its agent has not told yet; null: none. */
  resize: { readonly revision: number; readonly size: TaskSize } | null;
  /** The newest change of its size whose outcome is known; 0: none. */
  revision: number;
  readonly labels: TaskInfo['labels'];
  readonly discovery: TaskInfo['discovery'];
  /** The newest state that its agent knows. */
  state: TaskState;
  /** The last status that passed through, which may be older than `state`. */
  status: TaskStatus | null;
  /** The agent's report that waits for its framework's acknowledgement: said again when the framework is back. */
  unacknowledged: TaskStatus | null;
  /** Its resources count as allocated: until the first sight of a terminal state. */
  holds: boolean;
  /** Somebody wants it dead: repeated when its agent registers again. */
  kill: { readonly policy: KillPolicy | null } | null;
}

export interface Offer {
  readonly offerId: OfferId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly role: Role;
  readonly resources: Resources;
  expiry: Timer | null;
}

export interface Framework {
  readonly frameworkId: FrameworkId;
  info: FrameworkInfo;
  roles: readonly Role[];
  suppressed: ReadonlySet<Role>;
  /** Null: not connected. */
  session: Session | null;
  /** Torn down; the record stays while its tasks hold resources. */
  removed: boolean;
  failover: Timer | null;
  /** By the id's text, here and below: what comes from the wire is looked up as it is. */
  readonly tasks: Map<string, Task>;
  /** Tasks on agents out of reach, by the agent: their ids stay taken. */
  readonly unreachable: Map<TaskId, AgentId>;
  readonly offers: Map<string, Offer>;
  /** Null: known from agents only. */
  registeredAt: Instant | null;
}

/**
 *   recovering ──register──► registered ──link broke──► disconnected ──register──► registered
 *       └──────── timer ────────┴── pings missed ── timer ──┴──► unreachable ──register──► registered
 */
export type AgentState = 'recovering' | 'registered' | 'disconnected' | 'unreachable' | 'gone';

export interface AwaitedKill {
  readonly frameworkId: FrameworkId;
  readonly policy: KillPolicy | null;
}

export interface Agent {
  readonly agentId: AgentId;
  hostname: string;
  address: string;
  region: string | null;
  zone: string | null;
  version: string;
  /** As it said when it registered. */
  runtimes: readonly RuntimeReport[];
  abilities: readonly string[];
  attributes: readonly WireAttribute[];
  resources: readonly WireResource[];
  state: AgentState;
  /** The outcome of the last write of its entry is unknown: the registry may say something else than `state`. */
  isEntryInDoubt: boolean;
  /** When it became unreachable. */
  since: Instant | null;
  connection: AgentConnection | null;
  /** Grows with each registration: a decision about an older one is void. */
  registration: number;
  registeredAt: Instant | null;
  readonly tasks: Set<Task>;
  /** Kills of tasks that this master cannot know yet, since it began while the agent was away: carried out when it reports them. */
  readonly awaitedKills: Map<string, AwaitedKill>;
  readonly offers: Map<string, Offer>;
  /** The end of a silence while registered; the wait for its return otherwise. */
  timer: Timer | null;
  /** When its link last said anything. */
  heardAt: Instant;
}

export interface Core {
  readonly ports: MasterPorts;
  readonly masterId: string;
  readonly epoch: number;
  readonly startedAt: Instant;
  readonly agents: Map<string, Agent>;
  readonly frameworks: Map<string, Framework>;
  readonly removedFrameworks: Set<FrameworkId>;
  readonly offers: Map<string, Offer>;
  readonly allocator: AllocatorState;
  readonly counters: Map<string, number>;
  /** Connections of agents, registered or not; closed when this master stops leading. */
  readonly connections: Set<AgentConnection>;
  readonly pings: PingRounds;
  /** One write of the registry at a time for each agent. */
  readonly registryWrites: Map<AgentId, Promise<void>>;
  /** Makes an agent a candidate for the next allocation; null: all agents. */
  look(agentId: AgentId | null): void;
  /** Somebody else leads: closes every stream and link. */
  stepDown(why: string): void;
  isLeading: boolean;
  nextAgent: number;
  nextFramework: number;
  nextOffer: number;
  nextLink: number;
}

export type CoreParts = Pick<Core, 'ports' | 'masterId' | 'epoch' | 'look' | 'stepDown'>;

export const newCore = (parts: CoreParts): Core => ({
  ...parts,
  startedAt: parts.ports.clock.now(),
  agents: new Map(),
  frameworks: new Map(),
  removedFrameworks: new Set(),
  offers: new Map(),
  allocator: newAllocatorState(),
  counters: new Map(),
  connections: new Set(),
  pings: new PingRounds(parts.ports.clock, parts.ports.config.pingIntervalMs),
  registryWrites: new Map(),
  isLeading: true,
  nextAgent: 0,
  nextFramework: 0,
  nextOffer: 0,
  nextLink: 0,
});

export const count = (core: Core, name: string, by = 1): void => void core.counters.set(name, (core.counters.get(name) ?? 0) + by);

export const isConnected = (framework: Framework): boolean => framework.session !== null;

export const hasCapability = (framework: Framework, type: string): boolean => framework.info.capabilities?.some((one) => one.type === type) === true;

/** An agent known from the registry has not registered since this master began. Costs the number of agents. */
export function isAnyAwaited(core: Core): boolean {
  for (const { state } of core.agents.values()) if (state === 'recovering') return true;
  return false;
}
