/**
 * The task runtime of a real machine: `process` and `cgroup` differ in how a task's processes are held together, in nothing else.
 *
 * A launch: refuse what cannot be → make the groups → write the launch file → watch the run directory → ask the forker. From then
 * on the run directory says everything: each change of its journal is looked at, and a slow poll is the net below.
 * An end: the journal has the status → whatever is left of the group is killed → when nobody is left, the exit is told.
 */
import { readFileSync, watch, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log, TaskId } from '@ekiden/model';
import { abilitiesOf } from './abilities.js';
import { type CgroupDriver, hasCode } from './cgroup-driver.js';
import { createEntries } from './entries.js';
import { exitLost, exitOfStatus } from './exit-status.js';
import { createForker } from './forker.js';
import { judgeLeftOver } from './judge-left-over.js';
import { SUPERVISOR_KILLED, type Verdict } from './judge-run-dir.js';
import { findLaunchTools } from './launch-tools.js';
import { type ContainerMachine, refusalOfRuntime } from './oci/container-launcher.js';
import { initListens } from './oci/init-listens.js';
import { keptStopSignal } from './oci/stop-signal.js';
import { refuseSpec } from './plan-launch.js';
import { type PreparedLaunch, abilitiesInContainer, prepareEntry, prepareLaunch } from './prepare-launch.js';
import { isAlive, signalProcess } from './proc.js';
import { createReaper } from './reaper.js';
import { reasonOf } from './reason-of.js';
import { refuseWants } from './refuse-launch.js';
import { JOURNAL_FILE, LAUNCH_FILE, claimJournal, readJournal, readLaunchBoot, refusalIn } from './run-journal.js';
import type { ExecSpec, LaunchLimits, LaunchResult, LaunchSpec, Recovered, ResizeResult, TaskExit, TaskProcess, TaskRuntime } from './runtime.js';
import { groupsByCgroup, groupsByProcess } from './task-groups.js';
import { type SecurityDefaults, SAFE_DEFAULTS } from './task-security.js';
import { type Tracked, type TrackedState, newTracked, running } from './tracked-task.js';
import { trySecurity } from './try-security.js';
import { createTurnGate } from './turn-gate.js';
import { giveLogsTo } from './users.js';

export interface RuntimeOptions {
  readonly kind: 'process' | 'cgroup';
  /** From `probeRuntimes`; required for `cgroup`. */
  readonly driver: CgroupDriver | null;
  /** Names this Ekiden among others on the host (1 to 64 letters, digits, `_`, `.`, `-`): `sweep` touches only its tasks. Keep it over restarts. */
  readonly instance: string;
  readonly log: Log;
  /** A task never gets more than its cpus, even when others are idle. Default true; `cgroup` only. */
  readonly hardCpu?: boolean;
  /** From `probeContainers`; `cgroup` only. Absent: images are refused. */
  readonly containers?: ContainerMachine | null;
  /** What a task has of rights that does not ask; default: `SAFE_DEFAULTS`. */
  readonly defaults?: SecurityDefaults;
  /** Another POSIX shell than /bin/sh, for forker and shell commands. */
  readonly launcher?: string;
}

export interface SupervisedRuntime extends TaskRuntime {
  /** Lets go of everything but the tasks: ends the forker, the watches and the poll, and removes the instance's group when no task's is left. */
  close(): void;
}

/** The net below the watches, and how the end of an adopted task is seen. */
const POLL_MS = 1_000;
/** How long a request may stay with the forker before the launch is claimed back. */
const LAUNCH_TIMEOUT_MS = 30_000;
/** How long a child whose supervisor was killed gets to write its pid. */
const ORPHAN_GRACE_MS = 500;
/** A container that is still being made hears no signal: it is asked again for so long, then it gets the signal all the same. */
const SIGNAL_RETRY_MS = 20;
const MAX_SIGNAL_TRIES = 100;
/** Groups that were busy when their task was forgotten are tried again with each poll, this often; then a `sweep` finds them. */
const MAX_REMOVAL_TRIES = 300;

/** Throws naming the option when the machine or the options cannot carry it. Nothing is started before the first launch. */
export function createRuntime(options: RuntimeOptions): SupervisedRuntime {
  const { kind, driver, log, instance, hardCpu = true, defaults = SAFE_DEFAULTS } = options;
  if (kind === 'cgroup' && driver === null) throw new Error('the cgroup runtime needs the driver that probeRuntimes() found: pass it, or choose "process"');
  const groups = kind === 'cgroup' && driver !== null ? groupsByCgroup(driver, instance, log) : groupsByProcess(instance);
  const tools = findLaunchTools(options.launcher);
  const isRoot = process.geteuid?.() === 0;
  const abilities = abilitiesOf(kind, trySecurity(tools, isRoot));
  const containers = (kind === 'cgroup' && options.containers) || null;
  const machine = { tools, containers, isRoot, defaults, abilities };
  const inContainer = abilitiesInContainer(abilities, containers);
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const admit = createTurnGate();
  const tasks = new Map<TaskId, Tracked>();
  const listeners = new Map<TaskId, (exit: TaskExit) => void>();
  const reap = createReaper<Tracked>(groups, log, emptied);
  const removals = new Map<TaskId, number>();
  const entries = createEntries(groups, tools, log);
  const forker = createForker(tools.shell, log, () => {
    for (const task of tasks.values()) if (task.state.kind === 'launching') giveUp(task, 'the process that forks tasks died');
  });
  const poll = setInterval(() => {
    for (const task of tasks.values()) guarded(task, inspect);
    for (const taskId of removals.keys()) release(taskId);
  }, POLL_MS);
  poll.unref();

  /** A watcher or timer has nobody to throw to: what went wrong is logged, and the next look tries again. */
  function guarded(task: Tracked, look: (task: Tracked) => void): void {
    try {
      look(task);
    } catch (error) {
      log.error('task-look-failed', { taskId: task.taskId, why: reasonOf(error) });
    }
  }

  function track(taskId: TaskId, runDir: string, state: TrackedState): Tracked {
    const task = newTracked(taskId, runDir, state);
    tasks.set(taskId, task);
    return task;
  }

  /** A machine has a limited number of watches, and other programs use them up: the poll then has to do. */
  function watchRunDir(task: Tracked): void {
    try {
      task.watcher = watch(task.runDir, { persistent: true }, (_, file) => {
        if (file === null || file === JOURNAL_FILE) guarded(task, look);
      });
      task.watcher.on('error', (error) => log.warn('run-dir-watch-failed', { taskId: task.taskId, why: error.message }));
    } catch (error) {
      if (!hasCode(error, 'ENOSPC') && !hasCode(error, 'EMFILE')) throw error;
      log.warn('run-dir-watch-failed', { taskId: task.taskId, why: reasonOf(error), pollMs: POLL_MS });
    }
  }

  // --- launching

  async function launch(spec: LaunchSpec): Promise<LaunchResult> {
    const { taskId } = spec;
    const refusal =
      refuseSpec(spec) ??
      refuseWants(spec, spec.container == null ? abilities : inContainer) ??
      (tasks.has(taskId) ? `the task "${taskId}" was launched before: each launch has an id of its own` : null);
    if (refusal !== null) return { kind: 'failed', reason: refusal };
    try {
      await admit();
      const prepared = await prepareLaunch(spec, machine);
      if (tasks.has(taskId)) return { kind: 'failed', reason: `the task "${taskId}" is being launched already` };
      return await new Promise<LaunchResult>((settle) => request(spec, prepared, settle));
    } catch (error) {
      return { kind: 'failed', reason: reasonOf(error) };
    }
  }

  function request(spec: LaunchSpec, prepared: PreparedLaunch, settle: (result: LaunchResult) => void): void {
    const { taskId, runDir, limits } = spec;
    // Since it is in the table before anything exists, a sweep leaves its group alone.
    const task = track(taskId, runDir, { kind: 'launching', since: performance.now(), settle });
    try {
      const joinFiles = groups.prepare(taskId, { ...limits, hardCpu });
      if (prepared.owner !== null) giveLogsTo(spec.sandbox, prepared.owner);
      const text = prepared.launchText({ bootId, tools, joinFiles, markers: groups.markers(taskId), user: prepared.owner });
      writeFileSync(join(runDir, LAUNCH_FILE), text, { mode: 0o600, flag: 'wx' });
      watchRunDir(task);
      forker.request(runDir);
    } catch (error) {
      fail(task, reasonOf(error));
    }
  }

  function fail(task: Tracked, reason: string): void {
    if (task.state.kind !== 'launching') return;
    const { settle } = task.state;
    task.watcher?.close();
    tasks.delete(task.taskId);
    guarded(task, () => groups.kill(task, []));
    release(task.taskId);
    settle({ kind: 'failed', reason });
  }

  /** Takes a launch back, unless a supervisor has it: then that one's journal goes on telling. */
  function giveUp(task: Tracked, reason: string): void {
    guarded(task, () => {
      if (claimJournal(task.runDir).claim !== 'supervisor') fail(task, reason);
    });
  }

  // --- looking

  function look(task: Tracked): void {
    if (task.state.kind !== 'launching' && task.state.kind !== 'running') return;
    const journal = readJournal(task.runDir);
    task.supervisor ??= journal.supervisor;
    task.main ??= journal.main;
    if (task.state.kind === 'launching') {
      const reason = refusalIn(journal);
      if (reason !== null) return fail(task, reason);
      if (journal.main === null) return;
      const { settle } = task.state;
      task.state = { kind: 'running' };
      settle({ kind: 'started', pid: journal.main.pid });
      if (task.wanted === 'terminate') terminate(task.taskId);
      if (task.wanted === 'kill') kill(task.taskId);
    }
    if (journal.status !== null) end(task, journal.status, '');
  }

  /** What no watch tells: a supervisor that was killed, a request that went nowhere. */
  function inspect(task: Tracked): void {
    const seen = task.supervisor;
    const supervisorAlive = seen !== null && isAlive(seen);
    look(task);
    if (task.state.kind === 'launching' && task.supervisor === null) {
      if (performance.now() - task.state.since > LAUNCH_TIMEOUT_MS) giveUp(task, `nothing took up the launch within ${LAUNCH_TIMEOUT_MS} ms`);
      return;
    }
    if (seen === null || supervisorAlive) return;
    // A child without supervisor has until the next poll to write its pid.
    if (task.state.kind === 'launching' && task.orphaned) return fail(task, 'its supervisor was killed before it started');
    if (task.state.kind === 'running' && (task.main === null || !isAlive(task.main))) return end(task, null, SUPERVISOR_KILLED);
    if (!task.orphaned) log.warn('supervisor-killed', { taskId: task.taskId, pid: task.main?.pid });
    task.orphaned = true;
  }

  // --- ending

  function end(task: Tracked, status: number | null, lost: string): void {
    task.watcher?.close();
    task.state = { kind: 'ending', status, lost };
    void entries.end(task.taskId);
    reap(task);
  }

  /** Nobody of it is left. One that was killed while it ran is over once its journal says so, with another round then. */
  function emptied(task: Tracked, killed: number): void {
    task.killed = Math.max(task.killed, killed);
    if (task.state.kind !== 'ending') return;
    // Without control groups, what has entered is not seen as the task's.
    const left = entries.end(task.taskId);
    if (left === null) finish(task, task.state);
    else void left.then(() => reap(task));
  }

  function finish(task: Tracked, { status, lost }: Extract<TrackedState, { kind: 'ending' }>): void {
    const counted = { ...groups.memory(task.taskId), killedProcesses: task.killed };
    // A status of the container runtime's own says nothing of the task, which never began.
    const refusal = status === null || status === 0 ? null : refusalOfRuntime(task.runDir);
    const why = refusal === null ? lost : `its container could not be started: ${refusal}`;
    const exit = status === null || refusal !== null ? exitLost(why, counted) : exitOfStatus(status, counted);
    task.state = { kind: 'ended', exit };
    forker.collect();
    tell(task.taskId, exit);
  }

  function tell(taskId: TaskId, exit: TaskExit): void {
    const ended = listeners.get(taskId);
    listeners.delete(taskId);
    ended?.(exit);
  }

  function onExit(taskId: TaskId, ended: (exit: TaskExit) => void): void {
    listeners.set(taskId, ended);
    const state = tasks.get(taskId)?.state;
    if (state?.kind === 'ended') queueMicrotask(() => tell(taskId, state.exit));
  }

  // --- signals

  function terminate(taskId: TaskId, tries = 0): void {
    const task = tasks.get(taskId);
    if (task?.state.kind === 'launching' && task.wanted === 'nothing') task.wanted = 'terminate';
    if (task?.state.kind !== 'running' || task.main === null || !isAlive(task.main)) return;
    if (tries < MAX_SIGNAL_TRIES && !initListens(task.runDir, task.main.pid)) {
      setTimeout(() => terminate(taskId, tries + 1), SIGNAL_RETRY_MS);
      return;
    }
    // It has no group of its own in the instant before setsid.
    const signal = keptStopSignal(task.runDir);
    if (!signalProcess(-task.main.pid, signal)) signalProcess(task.main.pid, signal);
  }

  function kill(taskId: TaskId): void {
    const task = tasks.get(taskId);
    if (task?.state.kind === 'launching') task.wanted = 'kill';
    if (task?.state.kind === 'running') reap(task);
  }

  function resize(taskId: TaskId, limits: LaunchLimits): ResizeResult {
    const reason = abilities.resize ?? (tasks.get(taskId)?.state.kind === 'running' ? null : `the task "${taskId}" does not run`);
    if (reason !== null) return { kind: 'refused', reason };
    try {
      groups.resize(taskId, { ...limits, hardCpu });
      return { kind: 'resized' };
    } catch (error) {
      return { kind: 'refused', reason: reasonOf(error) };
    }
  }

  // --- after an agent's restart

  async function recover(taskId: TaskId, runDir: string): Promise<Recovered> {
    const known = tasks.get(taskId);
    if (known !== undefined) throw new Error(`the task "${taskId}" is not left over: this runtime has launched or recovered it`);
    const boot = readLaunchBoot(runDir);
    claimJournal(runDir);
    const task = track(taskId, runDir, { kind: 'recovering' });
    let verdict = judgeLeftOver(task, groups, { launch: boot, now: bootId });
    if (verdict.kind === 'lost' && !verdict.final) {
      await new Promise((resolve) => setTimeout(resolve, ORPHAN_GRACE_MS));
      verdict = judgeLeftOver(task, groups, { launch: boot, now: bootId });
    }
    return await settleRecovered(task, verdict);
  }

  async function settleRecovered(task: Tracked, verdict: Verdict): Promise<Recovered> {
    switch (verdict.kind) {
      case 'never-started':
        tasks.delete(task.taskId);
        return { kind: 'never-started' };
      case 'starting': {
        const result = await new Promise<LaunchResult>((settle) => {
          task.state = { kind: 'launching', since: performance.now(), settle };
          watchRunDir(task);
          look(task);
        });
        return result.kind === 'started'
          ? { kind: 'running', pid: result.pid }
          : { kind: 'exited', exit: exitLost(`it was not started: ${result.reason}`, {}) };
      }
      case 'running':
      case 'adopted':
        task.state = { kind: 'running' };
        task.orphaned = verdict.kind === 'adopted';
        watchRunDir(task);
        look(task);
        return { kind: 'running', pid: task.main?.pid ?? 0 };
      case 'ended':
      case 'lost':
        return await new Promise<Recovered>((resolve) => {
          listeners.set(task.taskId, (exit) => resolve({ kind: 'exited', exit }));
          end(task, verdict.kind === 'ended' ? verdict.status : null, verdict.kind === 'lost' ? verdict.why : '');
        });
    }
  }

  // --- cleaning up

  function release(taskId: TaskId): void {
    const tries = (removals.get(taskId) ?? 0) + 1;
    try {
      if (groups.release(taskId) || tries >= MAX_REMOVAL_TRIES) removals.delete(taskId);
      else removals.set(taskId, tries);
    } catch (error) {
      removals.delete(taskId);
      log.warn('group-not-removed', { taskId, why: reasonOf(error) });
    }
  }

  async function exec(spec: ExecSpec): Promise<TaskProcess> {
    const task = tasks.get(spec.taskId);
    const plan = await prepareEntry(spec, task?.main == null ? null : { runDir: task.runDir, mainPid: task.main.pid }, machine);
    if (task?.state.kind !== 'running') throw new Error('the task does not run');
    return entries.start(spec, plan);
  }

  async function forget(taskId: TaskId, runDir: string): Promise<void> {
    const task = tasks.get(taskId);
    if (task !== undefined && task.state.kind !== 'ended') throw new Error(`the task "${taskId}" is still ${task.state.kind}: forget it after its end`);
    tasks.delete(taskId);
    listeners.delete(taskId);
    release(taskId);
    await rm(runDir, { recursive: true, force: true });
  }

  return {
    name: kind,
    abilities,
    expectLaunch: () => groups.expect(),
    launch,
    resize,
    recover,
    onExit,
    terminate: (taskId) => terminate(taskId),
    kill,
    exec,
    joinFiles: (taskId) => groups.joinFiles(taskId),
    stats: (taskIds) => groups.statistics(taskIds.flatMap((taskId) => running(tasks.get(taskId)))),
    forget,
    sweep(known) {
      const all = new Set([...known, ...tasks.keys()]);
      return Promise.resolve(entries.endLeft(all) + groups.sweep(all));
    },
    close() {
      clearInterval(poll);
      entries.close();
      forker.close();
      for (const task of tasks.values()) task.watcher?.close();
      // Of tasks that have ended nothing is asked any more, though nobody may have acknowledged it yet.
      const over = [...tasks.values()].filter(({ state }) => state.kind === 'ended').map(({ taskId }) => taskId);
      for (const taskId of new Set([...over, ...removals.keys()])) release(taskId);
      try {
        groups.close();
      } catch (error) {
        log.warn('group-not-removed', { instance, why: reasonOf(error) });
      }
    },
  };
}
