/**
 * The Mesos v1 wire, as far as Ekiden speaks it: field names and enum values exactly as in `mesos/v1/*.proto`, JSON form.
 *
 * Optional fields may be missing or null on input (clients send both); we write only what is set. Facts: the offer API's
 * reference, sections 1 to 3. Conversion to our units is `convert.ts`; framing is `recordio.ts`.
 */
import type { TaskState } from '@ekiden/model';
import type { BatchAcknowledgeCall, EKIDEN_RESIZE } from './ekiden-extension.js';

export interface Value<T> {
  value: T;
}
export type WireId = Value<string>;

export interface WireRange {
  begin: number;
  end: number;
}

export interface WireResource {
  name: string;
  type: 'SCALAR' | 'RANGES' | 'SET';
  scalar?: Value<number>;
  ranges?: { range?: WireRange[] };
  set?: { item?: string[] };
  role?: string;
  allocation_info?: { role?: string };
  reservations?: { type?: string; role?: string; principal?: string }[];
}

export interface WireAttribute {
  name: string;
  type: 'SCALAR' | 'RANGES' | 'SET' | 'TEXT';
  scalar?: Value<number>;
  ranges?: { range?: WireRange[] };
  set?: { item?: string[] };
  text?: Value<string>;
}

export interface WireLabel {
  key: string;
  value?: string;
}

export interface FrameworkInfo {
  user: string;
  name: string;
  id?: WireId;
  failover_timeout?: number;
  checkpoint?: boolean;
  role?: string;
  roles?: string[];
  hostname?: string;
  principal?: string;
  webui_url?: string;
  capabilities?: { type: string }[];
  labels?: { labels?: WireLabel[] };
}

export interface MasterInfo {
  id: string;
  ip: number;
  port: number;
  pid?: string;
  hostname?: string;
  version?: string;
  address?: { hostname?: string; ip?: string; port: number };
  /** Ours are announced here too, as `EKIDEN_*` (decision 1): strangers drop unknown types. */
  capabilities?: { type: string }[];
}

export interface WireUrl {
  scheme: string;
  address: { hostname?: string; ip?: string; port: number };
  path?: string;
}

export interface WireOffer {
  id: WireId;
  framework_id: WireId;
  agent_id: WireId;
  hostname: string;
  url?: WireUrl;
  domain?: { fault_domain?: { region: { name: string }; zone: { name: string } } };
  resources?: WireResource[];
  attributes?: WireAttribute[];
  allocation_info?: { role?: string };
  unavailability?: { start: { nanoseconds: number }; duration?: { nanoseconds: number } };
}

export interface CommandUri {
  value: string;
  executable?: boolean;
  extract?: boolean;
  cache?: boolean;
  output_file?: string;
}

export interface CommandInfo {
  uris?: CommandUri[];
  environment?: { variables?: { name: string; type?: string; value?: string }[] };
  shell?: boolean;
  value?: string;
  arguments?: string[];
  user?: string;
}

export interface WireHealthCheck {
  type?: 'COMMAND' | 'HTTP' | 'TCP';
  delay_seconds?: number;
  interval_seconds?: number;
  timeout_seconds?: number;
  consecutive_failures?: number;
  grace_period_seconds?: number;
  command?: CommandInfo;
  http?: { scheme?: string; port: number; path?: string };
  tcp?: { port: number };
}

export interface KillPolicy {
  grace_period?: { nanoseconds: number };
}

export interface TaskInfo {
  name: string;
  task_id: WireId;
  agent_id: WireId;
  resources?: WireResource[];
  /** `cpus` and `mem`: the most that it may take. Mesos' JSON has no other word for no limit than the text `Infinity`. */
  limits?: Readonly<Record<string, { readonly value: number | 'Infinity' }>>;
  command?: CommandInfo;
  executor?: unknown;
  container?: unknown;
  health_check?: WireHealthCheck;
  kill_policy?: KillPolicy;
  /** Base64. With the EKIDEN_TASK_DATA capability: an `EkidenTaskData` (ekiden-extension.ts). */
  data?: string;
  labels?: { labels?: WireLabel[] };
  discovery?: {
    visibility: string;
    name?: string;
    ports?: { ports?: { number: number; name?: string; protocol?: string; labels?: { labels?: WireLabel[] } }[] };
  };
  max_completion_time?: { nanoseconds: number };
}

export type StatusSource = 'SOURCE_MASTER' | 'SOURCE_AGENT' | 'SOURCE_EXECUTOR';

export interface TaskStatus {
  task_id: WireId;
  state: TaskState;
  message?: string;
  source?: StatusSource;
  reason?: string;
  /** Base64. From our agents: an `EkidenStatusData`. */
  data?: string;
  agent_id?: WireId;
  executor_id?: WireId;
  /** Seconds since the epoch. */
  timestamp?: number;
  /** Base64 of 16 bytes; absent: must not be acknowledged. */
  uuid?: string;
  healthy?: boolean;
  container_status?: {
    container_id?: { value: string };
    network_infos?: { ip_addresses?: { protocol?: string; ip_address?: string }[] }[];
    executor_pid?: number;
  };
  unreachable_time?: { nanoseconds: number };
  limitation?: { resources?: WireResource[] };
}

export interface WireFilters {
  refuse_seconds?: number;
}

export type OfferOperation =
  { type: 'LAUNCH'; launch: { task_infos?: TaskInfo[] }; id?: WireId } | { type: 'LAUNCH_GROUP' | 'RESERVE' | 'UNRESERVE' | 'CREATE' | 'DESTROY'; id?: WireId };

/** Ours: see ekiden-extension.ts. */
export interface ResizeCall {
  type: typeof EKIDEN_RESIZE;
  framework_id: { value: string };
  resize: {
    readonly task_id: { readonly value: string };
    readonly agent_id: { readonly value: string };
    /** The whole new size: `cpus` and `mem`, both. What else the task has stays. */
    readonly resources: readonly WireResource[];
    /** Grows with each change of this task, from 1; of what comes twice or late, the higher one counts. */
    readonly revision: number;
    /** Of that agent and the task's role: what pays for growth. The rest of them is free again. */
    readonly offer_ids?: readonly { readonly value: string }[];
  };
}

export type SchedulerCall =
  | { type: 'SUBSCRIBE'; framework_id?: WireId; subscribe: { framework_info: FrameworkInfo; suppressed_roles?: string[] } }
  | { type: 'TEARDOWN'; framework_id: WireId }
  | { type: 'ACCEPT'; framework_id: WireId; accept: { offer_ids?: WireId[]; operations?: OfferOperation[]; filters?: WireFilters } }
  | { type: 'DECLINE'; framework_id: WireId; decline: { offer_ids?: WireId[]; filters?: WireFilters } }
  | { type: 'REVIVE'; framework_id: WireId; revive?: { roles?: string[] } }
  | { type: 'SUPPRESS'; framework_id: WireId; suppress?: { roles?: string[] } }
  | { type: 'KILL'; framework_id: WireId; kill: { task_id: WireId; agent_id?: WireId; kill_policy?: KillPolicy } }
  | { type: 'SHUTDOWN'; framework_id: WireId; shutdown: { executor_id: WireId; agent_id: WireId } }
  | { type: 'ACKNOWLEDGE'; framework_id: WireId; acknowledge: { agent_id: WireId; task_id: WireId; uuid: string } }
  | BatchAcknowledgeCall
  | ResizeCall
  | { type: 'RECONCILE'; framework_id: WireId; reconcile: { tasks?: { task_id: WireId; agent_id?: WireId }[] } }
  | { type: 'MESSAGE'; framework_id: WireId; message: { agent_id: WireId; executor_id: WireId; data: string } }
  | { type: 'REQUEST'; framework_id: WireId; request: { requests?: unknown[] } }
  | { type: 'UPDATE_FRAMEWORK'; framework_id: WireId; update_framework: { framework_info: FrameworkInfo; suppressed_roles?: string[] } };

export type SchedulerCallType = SchedulerCall['type'];

export type SchedulerEvent =
  | { type: 'SUBSCRIBED'; subscribed: { framework_id: WireId; heartbeat_interval_seconds: number; master_info?: MasterInfo } }
  | { type: 'OFFERS'; offers: { offers?: WireOffer[] } }
  | { type: 'RESCIND'; rescind: { offer_id: WireId } }
  | { type: 'UPDATE'; update: { status: TaskStatus } }
  | { type: 'MESSAGE'; message: { agent_id: WireId; executor_id: WireId; data: string } }
  | { type: 'FAILURE'; failure: { agent_id?: WireId; executor_id?: WireId; status?: number } }
  | { type: 'ERROR'; error: { message: string } }
  | { type: 'HEARTBEAT' };
