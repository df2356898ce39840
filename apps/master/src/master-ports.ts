/**
 * What the master's core may touch, and the doors through which the world reaches it.
 *
 * The rim (`http/`) turns HTTP requests and WebSocket frames into these calls; the simulator makes them directly. Only
 * what cannot be rebuilt from agents and frameworks is stored (known agents, unreachable and gone ones, removed frameworks).
 */
import type { AgentMessage, MasterMessage, RuntimeReport } from '@ekiden/agent-link';
import type { FrameworkInfo, MasterInfo, SchedulerCall, SchedulerEvent, WireAttribute, WireResource } from '@ekiden/mesos';
import type { AgentId, FrameworkId, Instant, Resources, World } from '@ekiden/model';

export interface MasterConfig {
  readonly hostname: string;
  readonly ip: string;
  readonly port: number;
  readonly version: string;
  readonly heartbeatIntervalMs: number;
  readonly pingIntervalMs: number;
  /** An agent of which nothing is heard for so long is unreachable. */
  readonly agentTimeoutMs: number;
  /** After a fail-over, or a broken link: how long an agent may stay away before it is unreachable. */
  readonly reregisterTimeoutMs: number;
  /** An offer not answered by then is rescinded. */
  readonly offerTimeoutMs: number;
  /** Announce and pass on the extensions of decision 1. Off: plain Mesos mode. */
  readonly extensions: boolean;
}

export interface AgentEntry {
  readonly agentId: AgentId;
  readonly hostname: string;
  readonly address: string;
  readonly attributes: readonly WireAttribute[];
  readonly resources: readonly WireResource[];
  readonly state: 'admitted' | 'unreachable' | 'gone';
  /** When it became unreachable. */
  readonly since: Instant | null;
}

export interface MasterSnapshot {
  readonly masterId: string;
  readonly agents: readonly AgentEntry[];
  readonly removedFrameworks: readonly FrameworkId[];
  readonly weights: Readonly<Record<string, number>>;
}

/** Every write checks the epoch in the same statement; a stale one rejects with `stale-leader` (decision 5). */
export interface MasterStore {
  /** Waits until this process leads; then raises the epoch. */
  lead(holder: string): Promise<{ readonly epoch: number; readonly snapshot: MasterSnapshot }>;
  saveAgent(epoch: number, entry: AgentEntry): Promise<void>;
  saveRemovedFramework(epoch: number, frameworkId: FrameworkId): Promise<void>;
  saveWeights(epoch: number, weights: Readonly<Record<string, number>>): Promise<void>;
  /** Rejects with `stale-leader` when somebody else leads; renews the lease. */
  confirm(epoch: number): Promise<void>;
  release(epoch: number): Promise<void>;
}

export interface MasterPorts extends World {
  readonly config: MasterConfig;
  readonly store: MasterStore;
}

export interface EventSink {
  event(event: SchedulerEvent): void;
  /** The master ends the stream. */
  close(): void;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

export type SubscribeAnswer = { readonly kind: 'opened'; readonly streamId: string } | { readonly kind: 'refused'; readonly answer: HttpAnswer };

export interface AgentLinkHandle {
  message(message: AgentMessage): void;
  closed(): void;
}

export interface Master {
  /** Leads, loads, begins to offer. Resolves when leading. */
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly isLeading: boolean;
  /** A SUBSCRIBE. The sink gets SUBSCRIBED and a HEARTBEAT first, after this has answered `opened`. */
  subscribe(call: SchedulerCall, sink: EventSink): SubscribeAnswer;
  /** The stream's connection broke. */
  disconnected(streamId: string): void;
  /** Any other call; checks in the order of the reference, 1.1. */
  call(streamId: string | null, call: SchedulerCall): HttpAnswer;
  /** A connection that an agent opened (already authenticated by the rim). */
  agentConnected(link: { send(message: MasterMessage): void; close(why: string): void }): AgentLinkHandle;
  /** What is, for the operator API, metrics, `ekiden nodes` and the simulator's invariants. */
  readonly state: MasterState;
}

export interface AgentView {
  readonly agentId: AgentId;
  readonly hostname: string;
  readonly address: string;
  readonly connected: boolean;
  readonly state: 'registered' | 'disconnected' | 'unreachable' | 'gone' | 'recovering';
  readonly attributes: readonly WireAttribute[];
  readonly total: readonly WireResource[];
  readonly allocated: readonly WireResource[];
  readonly offered: readonly WireResource[];
  readonly registeredAt: Instant | null;
  /** Held beyond its size, when it came back smaller; nothing is offered there meanwhile. */
  readonly deficit: readonly WireResource[];
  readonly version: string;
  readonly runtimes: readonly RuntimeReport[];
}

/** What is held of one agent, as the allocator has it: what the next offer is made from. */
export interface AgentBooks {
  readonly isConnected: boolean;
  readonly total: Resources;
  readonly allocated: Resources;
  readonly offered: Resources;
  /** What may be offered next. */
  readonly free: Resources;
  /** `holds`: its resources count as allocated. */
  readonly tasks: readonly { readonly taskId: string; readonly frameworkId: FrameworkId; readonly holds: boolean; readonly resources: Resources }[];
  readonly offers: readonly { readonly offerId: string; readonly frameworkId: FrameworkId; readonly role: string; readonly resources: Resources }[];
}

export interface MasterState {
  agents(): readonly AgentView[];
  /** Costs the size of this one agent. Null: none is known by that id, or it is out of reach and nothing is held of it. */
  books(agentId: string): AgentBooks | null;
  frameworks(): readonly {
    readonly frameworkId: FrameworkId;
    readonly name: string;
    readonly connected: boolean;
    readonly roles: readonly string[];
    readonly tasks: number;
    readonly offers: number;
    /** As last subscribed, its id included. */
    readonly info: FrameworkInfo;
    /** Known from agents only, since this master began. */
    readonly recovered: boolean;
    readonly registeredAt: Instant | null;
  }[];
  tasks(): readonly {
    readonly taskId: string;
    readonly frameworkId: FrameworkId;
    readonly agentId: AgentId;
    readonly name: string;
    readonly state: string;
    readonly resources: readonly WireResource[];
  }[];
  /** Events counted since this master began, by name (`offers_sent`, `tasks_launched`, …). */
  counters(): Readonly<Record<string, number>>;
  /** How much is remembered, by name: each is bounded by what is there. */
  sizes(): Readonly<Record<string, number>>;
  /** What is announced in SUBSCRIBED; null before leading. */
  masterInfo(): MasterInfo | null;
}
