/** A task on the wire (Marathon: 10.3). An instance without a task is not one. */
import { servicePortsOf } from '@ekiden/marathon-api';
import { isoTime, liveTask, type CheckResult, type Instance } from '@ekiden/model';
import type { AppVersionRow } from '../store/paas-store.js';
import type { PaasView } from '../paas-api.js';
import { asDefinition, type Json } from './stored-definition.js';

/** `servicePorts` is filled in `/v2/tasks` only, as in Marathon. Null when the instance has no task. */
export function renderTask(view: PaasView, instance: Instance, withServicePorts = false): Json | null {
  const task = liveTask(instance);
  if (task === null) return null;
  const { condition } = instance;
  const version = view.version(instance.appId, instance.version);
  return {
    id: task.taskId,
    appId: instance.appId,
    host: task.hostname,
    slaveId: task.agentId,
    state: stateOf(instance),
    ports: task.ports,
    servicePorts: withServicePorts && version !== null ? servicePortsOf(asDefinition(version.definition)) : [],
    ipAddresses: condition.kind === 'running' ? condition.ipAddresses.map(renderAddress) : [],
    healthCheckResults: condition.kind === 'running' ? condition.checks.flatMap((check) => (check === null ? [] : [renderHealth(check, instance)])) : [],
    stagedAt: isoTime(task.stagedAt),
    ...(condition.kind === 'running' ? { startedAt: isoTime(condition.since) } : {}),
    version: isoTime(instance.version),
    localVolumes: [],
    ...(task.region === null ? {} : { region: task.region }),
    ...(task.zone === null ? {} : { zone: task.zone }),
    role: roleOf(version),
    ...resizeOf(instance),
  };
}

/** A task that is being stopped says so, from the moment it was decided: load balancers take it out (decision 18). */
function stateOf(instance: Instance): string {
  if (instance.stop !== null) return 'TASK_KILLING';
  switch (instance.condition.kind) {
    case 'running':
      return 'TASK_RUNNING';
    case 'unreachable':
      return 'TASK_UNREACHABLE';
    case 'scheduled':
    case 'provisioned':
    case 'staging':
    case 'terminal':
      return 'TASK_STAGING';
  }
}

/** Ours: a change of its cpus and memory that is under way, or why it cannot be. */
function resizeOf({ resize }: Instance): Json {
  if (resize === undefined) return {};
  const { size, refused } = resize;
  return { resize: { cpus: size.cpusMilli / 1000, mem: size.memMib, refused } };
}

const renderAddress = (ipAddress: string): Json => ({ ipAddress, protocol: ipAddress.includes(':') ? 'IPv6' : 'IPv4' });

function renderHealth(check: CheckResult, instance: Instance): Json {
  return {
    alive: check.alive,
    consecutiveFailures: check.consecutiveFailures,
    instanceId: instance.id,
    ...(check.firstSuccess === null ? {} : { firstSuccess: isoTime(check.firstSuccess) }),
    ...(check.lastSuccess === null ? {} : { lastSuccess: isoTime(check.lastSuccess) }),
    ...(check.lastFailure === null ? {} : { lastFailure: isoTime(check.lastFailure) }),
    ...(check.lastFailureCause === null ? {} : { lastFailureCause: check.lastFailureCause }),
  };
}

const roleOf = (version: AppVersionRow | null): string => (version === null ? '*' : version.spec.role);
