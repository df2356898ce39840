/**
 * What happens in a simulated world, told to its witnesses at the moment when it does: the one source of all that judges a run.
 *
 * `sent` is the moment at which it leaves, `got` the moment at which it arrives; what is lost on the way never arrives. Pings,
 * pongs and heartbeats are not told: they change nothing, and are most of the traffic.
 */
import type { AgentMessage, MasterMessage } from '@ekiden/agent-link';
import type { CallAnswer, SubscribeCall } from '@ekiden/framework-sdk';
import type { SchedulerCall, SchedulerEvent } from '@ekiden/mesos';
import type { AppId, DeploymentId, Instance, InstanceId, TaskId, TaskSize } from '@ekiden/model';
import type { TaskRecord } from '../../../apps/agent/src/agent-ports.js';
import type { Master } from '../../../apps/master/src/master-ports.js';
import type { AppRow, DeploymentRow, EventRow, Write } from '../../../apps/paas-api/src/store/paas-store.js';
import type { SimProcess } from './sim-process.js';

/** Who ended a process: its own program, the agent (a signal or a sweep), or something outside of Ekiden. */
export type EndedBy = 'itself' | 'agent' | 'fate';

/** The rows that a commit writes, as they were before it; null: there was none. */
export interface RowsBefore {
  readonly instances: ReadonlyMap<InstanceId, Instance | null>;
  readonly apps: ReadonlyMap<AppId, AppRow | null>;
  readonly deployments: ReadonlyMap<DeploymentId, DeploymentRow | null>;
}

/** A change that somebody asks a process of paas-api for. `apps`: whose desired state it may change. */
export interface Request {
  readonly number: number;
  /** The process that was asked. */
  readonly by: string;
  /** As `PaasApi` calls it. */
  readonly method: string;
  readonly apps: readonly AppId[];
  readonly args: readonly unknown[];
}

export type Outcome = { readonly kind: 'done'; readonly value: unknown } | { readonly kind: 'refused'; readonly error: unknown };

export type SimEvent =
  | { readonly kind: 'process-started'; readonly host: string; readonly process: SimProcess }
  /** Its groups are limited to something else now. */
  | { readonly kind: 'process-resized'; readonly host: string; readonly process: SimProcess; readonly from: TaskSize }
  | { readonly kind: 'process-ended'; readonly host: string; readonly process: SimProcess; readonly by: EndedBy }
  /** A task has a network of its own, to which these ports of the machine lead. */
  | { readonly kind: 'network-attached'; readonly host: string; readonly taskId: TaskId; readonly ports: readonly number[] }
  | { readonly kind: 'network-detached'; readonly host: string; readonly taskId: TaskId }
  /** A task's record is durable now, or gone, as the agent's store promises. */
  | { readonly kind: 'checkpointed'; readonly host: string; readonly record: TaskRecord }
  | { readonly kind: 'checkpoint-removed'; readonly host: string; readonly taskId: TaskId }
  /** It is in the database now; whoever asked does not know it yet. `by`: a process of paas-api. */
  | { readonly kind: 'committed'; readonly by: string; readonly epoch: number; readonly writes: readonly Write[]; readonly before: RowsBefore }
  /** A client's request and its answer: 2xx, or a refusal. A process that died answers none. */
  | { readonly kind: 'asked'; readonly request: Request }
  | { readonly kind: 'answered'; readonly request: Request; readonly outcome: Outcome }
  /** Sent to all subscribers of the event stream. */
  | { readonly kind: 'published'; readonly by: string; readonly row: EventRow }
  | { readonly kind: 'call-sent'; readonly by: string; readonly streamId: string; readonly call: SchedulerCall }
  /** Around the master's handling of a call: what it sends in between follows from it. */
  | { readonly kind: 'call-got'; readonly by: string; readonly master: Master; readonly streamId: string; readonly call: SchedulerCall }
  | {
      readonly kind: 'call-done';
      readonly by: string;
      readonly master: Master;
      readonly streamId: string;
      readonly call: SchedulerCall;
      readonly answer: CallAnswer;
    }
  /** The master has opened a stream; its first events follow. */
  | { readonly kind: 'stream-opened'; readonly by: string; readonly master: Master; readonly streamId: string; readonly call: SubscribeCall }
  | { readonly kind: 'stream-sent'; readonly by: string; readonly master: Master; readonly streamId: string; readonly event: SchedulerEvent }
  | { readonly kind: 'stream-got'; readonly by: string; readonly streamId: string; readonly event: SchedulerEvent }
  /** `host`: the agent's machine; `wire`: the number of the connection. */
  | { readonly kind: 'agent-sent'; readonly host: string; readonly wire: number; readonly message: AgentMessage }
  /** After the master has handled it. */
  | { readonly kind: 'master-got'; readonly host: string; readonly wire: number; readonly master: Master; readonly message: AgentMessage }
  | { readonly kind: 'master-sent'; readonly host: string; readonly wire: number; readonly master: Master; readonly message: MasterMessage }
  | { readonly kind: 'agent-got'; readonly host: string; readonly wire: number; readonly message: MasterMessage }
  /** Everything that the last wake-up of the clock caused has happened; not said where nothing was told before. */
  | { readonly kind: 'turn-ended' };

export type Tell = (event: SimEvent) => void;

const TURN_ENDED: SimEvent = { kind: 'turn-ended' };

/** What the judges of a run, and whoever waits for the worst moment, hang on to. */
export class Witnesses {
  private readonly all: Tell[] = [];
  private hasNews = false;

  add(witness: Tell): void {
    this.all.push(witness);
  }

  readonly tell: Tell = (event) => {
    this.hasNews = true;
    for (const witness of this.all) witness(event);
  };

  /** A wake-up of the clock has had all its effects: told only where there was one to tell of. */
  readonly turnEnded = (): void => {
    if (!this.hasNews) return;
    this.tell(TURN_ENDED);
    this.hasNews = false;
  };
}
