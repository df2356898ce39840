/** Small worlds for tests: specs, instances in each condition, offers. Every field has a plain default. */
import {
  agentId,
  appId,
  instanceId,
  newTaskId,
  offerId,
  role,
  taskId,
  type AppSpec,
  type CheckResult,
  type HealthCheck,
  type Instance,
  type Instant,
  type TaskRef,
} from '@ekiden/model';
import type { AppView, InstanceView, OfferView } from '../src/view.js';
import type { ObservedStatus } from '../src/instance-machine.js';

export const T0: Instant = 1_700_000_000_000;
export const OLD: Instant = T0 - 2000;
export const NEW: Instant = T0 - 1000;

export const HTTP_CHECK: HealthCheck = {
  protocol: 'HTTP',
  path: '/health',
  portIndex: 0,
  port: null,
  command: null,
  gracePeriodMs: 300_000,
  intervalMs: 60_000,
  timeoutMs: 20_000,
  delayMs: 15_000,
  maxConsecutiveFailures: 3,
};

export function aSpec(changes: Partial<AppSpec> = {}): AppSpec {
  return {
    id: appId('/shop/web'),
    command: { kind: 'shell', line: 'sleep 100' },
    container: null,
    user: null,
    env: {},
    labels: {},
    instances: 1,
    cpusMilli: 100,
    memMib: 32,
    diskMib: 0,
    gpus: 0,
    role: role('*'),
    acceptedResourceRoles: null,
    constraints: [],
    portDefinitions: [],
    requirePorts: false,
    fetch: [],
    healthChecks: [],
    readinessCheck: null,
    dependencies: [],
    backoff: { initialMs: 1000, factor: 1.15, maxMs: 300_000 },
    killGraceMs: null,
    drainMs: 0,
    upgrade: { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
    unreachable: { kind: 'replace', inactiveAfterMs: 0, expungeAfterMs: 0 },
    killSelection: 'YOUNGEST_FIRST',
    progressDeadlineMs: 600_000,
    rollbackWhenStuck: false,
    ...changes,
  };
}

export const aTask = (instance: string, incarnation = 1, changes: Partial<TaskRef> = {}): TaskRef => ({
  taskId: newTaskId(instanceId(instance), incarnation),
  agentId: agentId('agent-1'),
  hostname: 'host-1',
  agentAddress: 'host-1:5051',
  attributes: {},
  region: null,
  zone: null,
  ports: [],
  streamId: 'stream-1',
  stagedAt: T0,
  ...changes,
});

export const aScheduled = (id: string, changes: Partial<Instance> = {}): Instance => ({
  id: instanceId(id),
  appId: appId('/shop/web'),
  version: NEW,
  goal: 'running',
  incarnation: 0,
  createdAt: T0,
  condition: { kind: 'scheduled', since: T0, notBefore: T0 },
  stop: null,
  backoffMs: 0,
  ...changes,
});

export const aRunning = (id: string, checks: readonly (CheckResult | null)[] = [], changes: Partial<Instance> = {}, task: Partial<TaskRef> = {}): Instance =>
  aScheduled(id, {
    incarnation: 1,
    condition: { kind: 'running', since: T0, task: aTask(id, changes.incarnation ?? 1, task), checks, readiness: null, ipAddresses: [] },
    ...changes,
  });

export const aResult = (alive: boolean, exhausted = false): CheckResult => ({
  alive,
  consecutiveFailures: alive ? 0 : 1,
  firstSuccess: T0,
  lastSuccess: T0,
  lastFailure: alive ? null : T0,
  lastFailureCause: alive ? null : 'connection refused',
  exhausted,
});

export const aStatus = (task: string, state: ObservedStatus['state'], changes: Partial<ObservedStatus> = {}): ObservedStatus => ({
  taskId: taskId(task),
  state,
  message: '',
  reason: null,
  checks: null,
  healthy: null,
  readiness: null,
  exitCode: null,
  signal: null,
  ipAddresses: [],
  at: T0,
  ...changes,
});

export const aView = (spec: AppSpec, instances: readonly (Instance | InstanceView)[], changes: Partial<AppView> = {}): AppView => ({
  now: T0,
  appId: spec.id,
  target: { spec, version: NEW, configVersion: NEW },
  instances: instances.map((one) => ('instance' in one ? one : { instance: one, spec })),
  rollout: null,
  sentenced: new Set(),
  ...changes,
});

export const anOffer = (number: number, changes: Partial<OfferView> = {}): OfferView => ({
  id: offerId(`offer-${number}`),
  agentId: agentId(`agent-${number}`),
  hostname: `host-${number}`,
  agentAddress: `host-${number}:5051`,
  role: role('*'),
  resources: { cpusMilli: 1000, memMib: 1024, diskMib: 0, gpus: 0, ports: [{ begin: 31_000, end: 32_000 }] },
  attributes: {},
  region: null,
  zone: null,
  isUnavailable: false,
  imagesRefused: null,
  lacks: [],
  networks: null,
  ...changes,
});
