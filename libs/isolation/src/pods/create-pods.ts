/**
 * Pods on top of a task runtime: any mix of host commands and containers in one network, with shared volumes and one life.
 *
 *   record ─► volumes ─► network ─► member after member ─► (judge-pod) ─► all stopped ─► network taken away ─► told
 *
 * Members are tasks of the runtime like any other: their limits, logs, statistics, kills and recovery are its. Nothing here outlives the
 * agent but the record; what a crash leaves is found by it, member by member.
 */
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NO_DOCKER_OPTIONS, type Log, type TaskId } from '@ekiden/model';
import { hasCode } from '../cgroup-driver.js';
import type { NetworkWish, TaskNetwork, TaskNetworks } from '../networks/task-networks.js';
import { reasonOf } from '../reason-of.js';
import type { LaunchSpec, Recovered, TaskExit, TaskRuntime } from '../runtime.js';
import { judgePod, type MemberState } from './judge-pod.js';
import { POD_RECORD_VERSION, readPodRecord, writePodRecord, type PodRecord } from './pod-record.js';
import { type PodExit, type PodMember, type PodMount, type PodSpec, refusePod } from './pod-spec.js';

export type PodLaunch = { readonly kind: 'started' } | { readonly kind: 'failed'; readonly reason: string };
export type RecoveredPod = { readonly kind: 'never-started' } | { readonly kind: 'found' };

export interface Pods {
  /** Answers when every member has started, or one could not be: then nothing of the pod is left, and its exit is not told. Rejects never. */
  launch(spec: PodSpec): Promise<PodLaunch>;
  /** Claims what an earlier agent has left of a pod. One that was not started as a whole ends. Its exit is told by `onExit`, be it long ago. */
  recover(podId: TaskId, runDir: string): Promise<RecoveredPod>;
  /** Calls back once, when the last member is gone and the network taken away. */
  onExit(podId: TaskId, ended: (exit: PodExit) => void): void;
  /** Stops all members, each as a task is stopped; those that are left after the grace are killed. Harmless when it is over. */
  terminate(podId: TaskId, graceMs: number): void;
  /** SIGKILL to all members. */
  kill(podId: TaskId): void;
  /** Of a pod that is known. */
  members(podId: TaskId): readonly TaskId[];
  /** After its end: removes what the runtime keeps of the members, and the run directory. */
  forget(podId: TaskId, runDir: string): Promise<void>;
  /** The timers end; pods live on. */
  close(): void;
}

export interface PodOptions {
  readonly runtime: Pick<TaskRuntime, 'launch' | 'recover' | 'onExit' | 'terminate' | 'kill' | 'forget'>;
  /** Null: pods have the machine's network. */
  readonly networks: Pick<TaskNetworks, 'attach' | 'detach'> | null;
  readonly log: Log;
}

interface Member {
  readonly name: string;
  readonly taskId: TaskId;
  readonly runDir: string;
  state: MemberState;
}

interface Pod {
  record: PodRecord;
  readonly runDir: string;
  readonly members: readonly Member[];
  /** Set once it is over. */
  end: Promise<PodExit> | null;
  grace: NodeJS.Timeout | null;
}

/** Everybody may write, nobody may remove another's: the members' users differ. */
const VOLUME_MODE = 0o1777;

export function createPods({ runtime, networks, log }: PodOptions): Pods {
  const pods = new Map<TaskId, Pod>();
  const listeners = new Map<TaskId, (exit: PodExit) => void>();

  async function launch(spec: PodSpec): Promise<PodLaunch> {
    const { podId, runDir } = spec;
    const reason =
      refusePod(spec) ?? (pods.has(podId) ? `the pod "${podId}" was launched before: each launch has an id of its own` : null) ?? refuseNetwork(spec);
    if (reason !== null) return { kind: 'failed', reason };
    const pod = track(recordOf(spec), runDir, () => ({ kind: 'waiting' }));
    try {
      writePodRecord(runDir, pod.record);
      makeVolumes(spec);
      const network = spec.networks === null || networks === null ? null : await networks.attach(networkWish(spec, spec.networks));
      for (const [index, member] of pod.members.entries()) {
        const wanted = spec.members[index];
        if (wanted !== undefined && pod.record.stopping === null) await start(pod, member, inPod(spec, wanted, network));
      }
    } catch (error) {
      return await undo(pod, reasonOf(error));
    }
    const failed = pod.members.find(({ state }) => state.kind === 'not-started');
    if (failed?.state.kind === 'not-started') return await undo(pod, `member "${failed.name}": ${failed.state.why}`);
    judge(pod);
    return { kind: 'started' };
  }

  function refuseNetwork(spec: PodSpec): string | null {
    return spec.networks !== null && networks === null ? 'this agent gives tasks no network of their own: it says at its start what is missing' : null;
  }

  async function start(pod: Pod, member: Member, launchSpec: LaunchSpec): Promise<void> {
    // From now on it has to be stopped.
    member.state = { kind: 'running' };
    const result = await runtime.launch(launchSpec);
    // Also when it is over by now. Before the launch nobody can say whose task it will be.
    if (result.kind === 'started') watch(pod, member);
    else {
      member.state = { kind: 'not-started', why: result.reason };
      judge(pod);
    }
  }

  /** Resolves when nothing of it is left. */
  async function undo(pod: Pod, reason: string): Promise<PodLaunch> {
    if (pod.end === null && pod.grace === null) stop(pod, reason, pod.record.graceMs);
    await (pod.end ?? new Promise<PodExit>((resolve) => listeners.set(pod.record.podId, resolve)));
    await forget(pod.record.podId, pod.runDir).catch((error: unknown) => log.warn('pod-left', { podId: pod.record.podId, why: reasonOf(error) }));
    return { kind: 'failed', reason };
  }

  function track(record: PodRecord, runDir: string, state: (index: number) => MemberState): Pod {
    const members = record.members.map((member, index) => ({ ...member, state: state(index) }));
    const pod: Pod = { record, runDir, members, end: null, grace: null };
    pods.set(record.podId, pod);
    return pod;
  }

  function watch(pod: Pod, member: Member): void {
    runtime.onExit(member.taskId, (exit) => {
      member.state = { kind: 'ended', exit };
      judge(pod);
    });
  }

  // --- one life

  function judge(pod: Pod): void {
    if (pod.end !== null) return;
    const verdict = judgePod(pod.members, pod.record.stopping);
    if (verdict.kind === 'over') pod.end = over(pod, verdict.why);
    else if (verdict.kind === 'stop' && pod.grace === null) stop(pod, verdict.why, pod.record.graceMs);
  }

  function stop(pod: Pod, why: string, graceMs: number): void {
    remember(pod, why);
    for (const { taskId } of runningOf(pod)) runtime.terminate(taskId);
    if (pod.grace !== null) clearTimeout(pod.grace);
    pod.grace = setTimeout(() => killAll(pod), graceMs);
    judge(pod);
  }

  /** So that the next agent goes on with it. On a full disk the members' own ends have to do. */
  function remember(pod: Pod, stopping: string): void {
    if (pod.record.stopping !== null) return;
    pod.record = { ...pod.record, stopping };
    try {
      writePodRecord(pod.runDir, pod.record);
    } catch (error) {
      log.warn('pod-not-recorded', { podId: pod.record.podId, why: reasonOf(error) });
    }
  }

  function killAll(pod: Pod): void {
    for (const { taskId } of runningOf(pod)) runtime.kill(taskId);
  }

  const runningOf = ({ members }: Pod): readonly Member[] => members.filter(({ state }) => state.kind === 'running');

  /** Its ports are free when it is told. A network that cannot be taken away is tried again by whoever sweeps. */
  async function over(pod: Pod, why: string): Promise<PodExit> {
    const { podId, hasNetwork } = pod.record;
    if (pod.grace !== null) clearTimeout(pod.grace);
    if (hasNetwork) await networks?.detach(podId).catch((error: unknown) => log.warn('network-left', { podId, why: reasonOf(error) }));
    const exit = { why, members: pod.members.map(({ name, state }) => ({ name, exit: exitOf(state) })) };
    listeners.get(podId)?.(exit);
    listeners.delete(podId);
    return exit;
  }

  const exitOf = (state: MemberState): TaskExit | null => (state.kind === 'ended' ? state.exit : null);

  // --- after an agent's restart

  async function recover(podId: TaskId, runDir: string): Promise<RecoveredPod> {
    if (pods.has(podId)) throw new Error(`the pod "${podId}" is not left over: it was launched or recovered here`);
    const record = readPodRecord(runDir);
    if (record === null) return { kind: 'never-started' };
    const found = await Promise.all(record.members.map(({ taskId, runDir: own }) => runtime.recover(taskId, own)));
    if (found.every(({ kind }) => kind === 'never-started')) {
      if (record.hasNetwork) await networks?.detach(podId);
      return { kind: 'never-started' };
    }
    const pod = track(record, runDir, (index) => stateOf(found[index]));
    for (const member of runningOf(pod)) watch(pod, member);
    for (const [index, member] of pod.members.entries()) {
      const one = found[index];
      if (one?.kind !== 'undecided') continue;
      void one.settled.then((settled) => {
        if (settled.kind === 'running') return;
        member.state = stateOf(settled);
        judge(pod);
      });
    }
    judge(pod);
    return { kind: 'found' };
  }

  async function forget(podId: TaskId, runDir: string): Promise<void> {
    const pod = pods.get(podId);
    if (pod !== undefined && pod.end === null) throw new Error(`the pod "${podId}" is not over: forget it after its end`);
    for (const member of pod?.members ?? readPodRecord(runDir)?.members ?? []) await runtime.forget(member.taskId, member.runDir);
    await networks?.detach(podId);
    pods.delete(podId);
    listeners.delete(podId);
    await rm(runDir, { recursive: true, force: true });
  }

  return {
    launch,
    recover,
    onExit(podId, ended) {
      const end = pods.get(podId)?.end ?? null;
      if (end === null) listeners.set(podId, ended);
      else void end.then(ended);
    },
    terminate(podId, graceMs) {
      const pod = pods.get(podId);
      if (pod !== undefined && pod.end === null) stop(pod, '', graceMs);
    },
    kill(podId) {
      const pod = pods.get(podId);
      if (pod === undefined || pod.end !== null) return;
      remember(pod, '');
      killAll(pod);
      judge(pod);
    },
    members: (podId) => pods.get(podId)?.members.map(({ taskId }) => taskId) ?? [],
    forget,
    close() {
      for (const { grace } of pods.values()) if (grace !== null) clearTimeout(grace);
    },
  };
}

/** One of which nobody knows may run, and is stopped if it does. */
function stateOf(found: Recovered | undefined): MemberState {
  if (found?.kind === 'exited') return { kind: 'ended', exit: found.exit };
  return found?.kind === 'running' || found?.kind === 'undecided' ? { kind: 'running' } : { kind: 'not-started', why: INTERRUPTED };
}

const networkWish = ({ podId, hostname }: PodSpec, networks: NetworkWish['networks']): NetworkWish => ({
  taskId: podId,
  networks,
  names: { ...NO_DOCKER_OPTIONS, hostname },
});

const INTERRUPTED = 'its launch was interrupted';

const recordOf = ({ podId, networks, graceMs, members }: PodSpec): PodRecord => ({
  v: POD_RECORD_VERSION,
  podId,
  hasNetwork: networks !== null,
  graceMs,
  stopping: null,
  members: members.map(({ name, launch: { taskId, runDir } }) => ({ name, taskId, runDir })),
});

const volumePath = (sandbox: string, volume: string): string => join(sandbox, 'volumes', volume);

function makeVolumes({ sandbox, volumes, members }: PodSpec): void {
  for (const volume of volumes) {
    const path = volumePath(sandbox, volume);
    mkdirSync(path, { recursive: true });
    chmodSync(path, VOLUME_MODE);
  }
  for (const { launch, mounts } of members) if (launch.container == null) for (const mount of mounts) linkVolume(sandbox, launch.sandbox, mount);
}

/** Before the command begins, so that nothing of its own stands in the way. */
function linkVolume(podSandbox: string, sandbox: string, { volume, containerPath }: PodMount): void {
  const link = join(sandbox, containerPath);
  mkdirSync(dirname(link), { recursive: true });
  try {
    symlinkSync(volumePath(podSandbox, volume), link);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) throw new Error(`${containerPath} in the sandbox is there already: mount the volume "${volume}" elsewhere`);
    throw error;
  }
}

/** A member's launch with what its pod gives it. */
function inPod(spec: PodSpec, { launch, mounts }: PodMember, network: TaskNetwork | null): LaunchSpec {
  const { container } = launch;
  if (container == null && network?.namespace === '')
    throw new Error('a host command cannot be in the network of a pod that a container engine holds on another machine');
  if (container == null) return network === null ? launch : { ...launch, networkNamespace: network.namespace };
  const volumes = mounts.map(({ volume, containerPath, isReadOnly }) => ({ hostPath: volumePath(spec.sandbox, volume), containerPath, isReadOnly }));
  const own = network === null ? {} : { network: { ...network, hostname: spec.hostname } };
  return { ...launch, container: { ...container, volumes: [...container.volumes, ...volumes], ...own } };
}
