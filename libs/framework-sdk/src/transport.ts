/**
 * The only way to a master, ours or Mesos: one subscription, and calls beside it.
 *
 * `http-transport.ts` speaks it over HTTP and RecordIO; the simulator connects it to a master in the same process. The
 * transport finds the leader (307 and the list of masters); it neither reconnects nor interprets: `scheduler-client.ts` does.
 */
import type { SchedulerCall, SchedulerEvent } from '@ekiden/mesos';

export type SubscribeCall = Extract<SchedulerCall, { type: 'SUBSCRIBE' }>;

/** 202 or 200: taken. Others: refused, `text` says why. Status 0: never answered, so nobody knows whether it was taken. */
export interface CallAnswer {
  readonly status: number;
  readonly text: string;
}

export interface SubscriptionSink {
  /** The head of the answer: the stream's id, before any event. */
  opened(streamId: string): void;
  event(event: SchedulerEvent): void;
  /** Once, at the end: refused, cut or closed by us. Nothing comes after it. */
  closed(why: string): void;
}

export interface Subscription {
  close(): void;
}

export interface SchedulerTransport {
  subscribe(call: SubscribeCall, sink: SubscriptionSink): Subscription;
  call(streamId: string, call: Exclude<SchedulerCall, SubscribeCall>): Promise<CallAnswer>;
}

type WithoutFramework<T> = T extends unknown ? Omit<T, 'framework_id'> : never;
/** A call as its sender writes it: the client adds the framework's id. */
export type FrameworkCall = WithoutFramework<Exclude<SchedulerCall, SubscribeCall>>;
