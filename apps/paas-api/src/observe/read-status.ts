/** A status of the wire as the instance machine sees it. */
import { decodeStatusData, type TaskStatus } from '@ekiden/mesos';
import { taskId, type Instant } from '@ekiden/model';
import type { ObservedStatus } from '@ekiden/planner';

/** Throws `invalid-id` when the task's id is none. */
export function readStatus(wire: TaskStatus, now: Instant): ObservedStatus {
  const data = decodeStatusData(wire.data);
  const addresses = (wire.container_status?.network_infos ?? []).flatMap((network) => network.ip_addresses ?? []);
  return {
    taskId: taskId(wire.task_id.value),
    state: wire.state,
    message: wire.message ?? '',
    reason: wire.reason ?? null,
    checks: data?.checks ?? null,
    healthy: wire.healthy ?? null,
    readiness: data?.readiness ?? null,
    exitCode: data?.exit?.code ?? null,
    signal: data?.exit?.signal ?? null,
    ...(data?.resize === undefined ? {} : { resize: data.resize }),
    ...(typeof data?.imageDigest === 'string' && IMAGE_DIGEST.test(data.imageDigest) ? { imageDigest: data.imageDigest } : {}),
    ipAddresses: addresses.flatMap((address) => address.ip_address ?? []),
    at: now - sinceMs(wire),
  };
}

const IMAGE_DIGEST = /^sha256:[0-9a-f]{64}$/;

/** How long ago it became unreachable, by the clock of the one master that says both: clocks of machines differ. */
function sinceMs({ unreachable_time: unreachable, timestamp }: TaskStatus): number {
  if (typeof unreachable?.nanoseconds !== 'number' || typeof timestamp !== 'number') return 0;
  return Math.max(0, Math.round(timestamp * 1000 - unreachable.nanoseconds / 1e6));
}
