/**
 * What Ekiden says over Mesos beyond Mesos (decision 1): in places that a plain Mesos leaves alone, open to every framework.
 *
 * `TaskInfo.data` carries `EkidenTaskData`, `TaskStatus.data` carries `EkidenStatusData`, both base64 of JSON, both with a
 * version. A master that understands them announces EKIDEN_TASK_DATA; on one that does not, a framework probes by itself.
 *
 * The call EKIDEN_BATCH_ACKNOWLEDGE says what as many ACKNOWLEDGE say, each judged and passed on alone; it is announced under
 * its own name. Any other master answers it as an unknown call (501), and is given one ACKNOWLEDGE each.
 *
 * The call EKIDEN_RESIZE changes cpus and mem of a running task without a restart. 202: taken; the outcome is in the data of the
 * task's statuses from then on. 409: growth that its offers do not pay; 503: its agent is not there now; 422: never on that agent. In
 * these cases nothing was done, and its offers are free again.
 */
import type { CheckResult, HealthCheck, ReadinessCheck, ReadinessResult, TaskIsolation, TaskSize } from '@ekiden/model';

export const EKIDEN_TASK_DATA = 'EKIDEN_TASK_DATA';
export const EKIDEN_BATCH_ACKNOWLEDGE = 'EKIDEN_BATCH_ACKNOWLEDGE';

/** A call with more is refused. */
export const MAX_ACKNOWLEDGEMENTS_PER_CALL = 1_000;

export interface Acknowledgement {
  readonly agent_id: { readonly value: string };
  readonly task_id: { readonly value: string };
  /** Of the status; base64 of 16 bytes. */
  readonly uuid: string;
}

export interface BatchAcknowledgeCall {
  type: typeof EKIDEN_BATCH_ACKNOWLEDGE;
  framework_id: { value: string };
  /** In the order in which they are to be passed on; at least one. */
  batch_acknowledge: { acknowledgements: readonly Acknowledgement[] };
}

export const EKIDEN_RESIZE = 'EKIDEN_RESIZE';

/** The newest change of a task's size on which its agent has decided. */
export interface ResizeReport extends TaskSize {
  readonly revision: number;
  /** Why the size (which is the one in force) stayed as it was; null: it is as was asked for. */
  readonly refused: string | null;
}

/** Of a check: its port is one of the task's own network, at the task's own address. Absent: a port of the agent's machine. */
export interface AtTask {
  readonly atTask?: true;
}

export type TaskHealthCheck = HealthCheck & AtTask;

export interface EkidenTaskData {
  readonly ekiden: 1;
  /** Health checks with ports resolved: `port` is always set for the network kinds, `portIndex` is null. */
  readonly healthChecks: readonly TaskHealthCheck[];
  /** With its port resolved. */
  readonly readinessCheck: (Omit<ReadinessCheck, 'portName'> & AtTask & { readonly port: number }) | null;
  /** What the bytes at each of `command.uris` have to hash to, in their order: 64 hex digits, or null for anything. Absent: nothing is checked. */
  readonly digests?: readonly (string | null)[];
  readonly isolation?: TaskIsolation;
  /**
   * `ask`: its image is named by a tag: what the registry calls it now is what runs, also where the agent has another one of that name.
   * `pinned`: the digest in its name is not the user's, but what was found for its app's version. Absent: as the agent has it.
   */
  readonly image?: 'ask' | 'pinned';
}

export interface EkidenStatusData {
  readonly ekiden: 1;
  readonly checks: readonly (CheckResult | null)[];
  readonly readiness: ReadinessResult | null;
  /** How the task ended; null while it runs. */
  readonly exit: { readonly code: number | null; readonly signal: string | null; readonly oomKilled: boolean } | null;
  /** How its stop went; absent: nobody asked for one, or it was over before the process was started. */
  readonly stop?: StopReport;
  /** Absent: nobody has asked for another size. */
  readonly resize?: ResizeReport;
  /** What its registry calls the image that it runs, or is about to: `sha256:…`. Absent: not known yet, or none. */
  readonly imageDigest?: string;
}

export interface StopReport {
  /** What it took: SIGKILL only after SIGTERM and the whole grace. */
  readonly signal: 'SIGTERM' | 'SIGKILL';
  /** From the recorded kill until the last process was gone. */
  readonly afterMs: number;
  readonly graceMs: number;
  /** Those that were alive when all had to go; null: not known. */
  readonly killedProcesses: number | null;
}

export const encodeData = (data: EkidenTaskData | EkidenStatusData): string => Buffer.from(JSON.stringify(data), 'utf8').toString('base64');

/** Null when there is none, or when it is somebody else's. */
export const decodeTaskData = (data: string | null | undefined): EkidenTaskData | null => {
  const value = decode(data);
  return value !== null && Array.isArray(value['healthChecks']) ? (value as unknown as EkidenTaskData) : null;
};

export const decodeStatusData = (data: string | null | undefined): EkidenStatusData | null => {
  const value = decode(data);
  return value !== null && Array.isArray(value['checks']) ? (value as unknown as EkidenStatusData) : null;
};

function decode(data: string | null | undefined): Record<string, unknown> | null {
  if (data === null || data === undefined || data === '') return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(data, 'base64').toString('utf8'));
    return typeof value === 'object' && value !== null && (value as { ekiden?: unknown }).ekiden === 1 ? (value as Record<string, unknown>) : null;
  } catch {
    return null; // Not JSON, so not ours: a foreign framework's bytes.
  }
}
