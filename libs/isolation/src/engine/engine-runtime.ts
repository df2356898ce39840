/**
 * The runtime for images that a container engine keeps: Docker's, or podman's, over its socket.
 *
 * A launch: written down → made → started → written down (launch-container.ts). Then the engine's events say when something has ended, and
 * a slow look is the net below. An end: what the engine says of it → its output is whole in the sandbox → written down → told → removed.
 * While the engine is away nothing is told; what was asked meanwhile (a kill) is asked again when it is back.
 */
import { setMaxListeners } from 'node:events';
import { rm } from 'node:fs/promises';
import type { Log, TaskId } from '@ekiden/model';
import { defaultTaskPids } from '../cgroup-driver.js';
import { exitLost } from '../exit-status.js';
import { refuseSpec } from '../plan-launch.js';
import { reasonOf } from '../reason-of.js';
import { refuseWants } from '../refuse-launch.js';
import type { Abilities, ExecSpec, LaunchResult, LaunchSpec, Recovered, SettledRecovery, TaskExit, TaskProcess, TaskRuntime } from '../runtime.js';
import { createSlots } from '../slots.js';
import { createBackOff } from './back-off.js';
import { findContainer, listContainers, removeContainer, signalContainer } from './container-calls.js';
import { type EngineClient, engineClient } from './engine-client.js';
import { createEngineEntries } from './engine-entries.js';
import { type EngineWatch, watchEngine } from './engine-events.js';
import { type EngineJournal, appendLine, readEngineJournal } from './engine-journal.js';
import { createStatistics } from './engine-statistics.js';
import { type EngineTask, newEngineTask } from './engine-task.js';
import { type ContainerVerdict, REMOVED, exitOfContainer } from './judge-container.js';
import { judgeLeft, judgeUntilKnown } from './judge-left.js';
import { type LaunchMachine, askUntilKnown, prepareAsk } from './launch-container.js';
import { DOCKER_SOCKET } from './probe-engine.js';
import { resizeContainer } from './resize-container.js';
import { startLogPump } from './log-pump.js';

export interface EngineRuntimeOptions {
  /** Where new containers go; null: none is known, perhaps not yet. Those of an earlier agent are looked for where that one had them. */
  readonly engine: () => EngineInUse | null;
  readonly instance: string;
  readonly log: Log;
  readonly hardCpu?: boolean;
}

export interface EngineInUse {
  readonly socket: string;
  readonly abilities: Abilities;
}

export interface EngineRuntime extends Omit<TaskRuntime, 'name' | 'joinFiles' | 'resizes' | 'abilities'> {
  /** Of the engine in use; undefined: there is none. */
  readonly abilities: Abilities | undefined;
  /** Launched or recovered here, and not forgotten. */
  has(taskId: TaskId): boolean;
  exec(spec: ExecSpec): Promise<TaskProcess>;
  close(): void;
}

/** An engine prepares containers one after the other in part: more at once only wait there. */
export const MAX_ENGINE_LAUNCHES = 4;
/** A signal that the engine did not take is sent again. */
const SIGNAL_AGAIN_MS = 1_000;

export function createEngineRuntime(options: EngineRuntimeOptions): EngineRuntime {
  const { instance, log, hardCpu = true } = options;
  const closing = new AbortController();
  // Each launch that waits for its turn listens: as many as there are tasks.
  setMaxListeners(0, closing.signal);
  const tasks = new Map<TaskId, EngineTask>();
  const listeners = new Map<TaskId, (exit: TaskExit) => void>();
  const engines = new Map<string, { readonly client: EngineClient; watch: EngineWatch | null }>();
  const slots = createSlots(MAX_ENGINE_LAUNCHES);
  const entries = createEngineEntries(instance, log);
  const statistics = createStatistics(log);

  const socketNow = (): string => options.engine()?.socket ?? DOCKER_SOCKET;

  function clientOf(socket: string): EngineClient {
    const known = engines.get(socket);
    if (known !== undefined) return known.client;
    const client = engineClient(socket);
    engines.set(socket, { client, watch: null });
    return client;
  }

  /** Nobody listens to an engine that has nothing of ours. */
  function listenTo(client: EngineClient): void {
    const engine = engines.get(client.socket);
    if (engine === undefined || closing.signal.aborted) return;
    const own = (): readonly EngineTask[] => [...tasks.values()].filter((task) => task.client === client);
    const byId = (id: string): readonly EngineTask[] => own().filter(({ taskId }) => taskId === id);
    engine.watch ??= watchEngine(
      client,
      instance,
      {
        died: (id, status) => byId(id).forEach((task) => died(task, status)),
        outOfMemory: (id) => byId(id).forEach((task) => (task.oomEvents += 1)),
        here() {
          own().forEach(({ pump }) => pump?.wake());
          void lookAtAll(client);
        },
        away: () => own().forEach((task) => (task.engineWasAway ||= task.state === 'running')),
        look: () => void lookAtAll(client),
      },
      log,
    );
  }

  /** One question for all: who does not run any more has ended. */
  async function lookAtAll(client: EngineClient): Promise<void> {
    const before = [...tasks.values()].filter((task) => task.client === client && task.state === 'running');
    if (before.length === 0) return;
    try {
      const alive = new Set((await listContainers(client, instance)).filter(({ isRunning }) => isRunning).map(({ taskId }) => taskId));
      for (const task of before) if (!alive.has(task.taskId)) void end(task);
    } catch (error) {
      log.debug('engine-not-looked-at', { why: reasonOf(error) });
    }
  }

  // --- launching

  async function launch(spec: LaunchSpec): Promise<LaunchResult> {
    const { taskId, runDir, container } = spec;
    const engine = options.engine();
    const refusal =
      refuseSpec(spec) ??
      (engine === null ? 'this agent knows of no container engine' : refuseWants(spec, engine.abilities)) ??
      (tasks.has(taskId) ? `the task "${taskId}" was launched before: each launch has an id of its own` : null);
    if (refusal !== null) return { kind: 'failed', reason: refusal };
    if (engine === null || container == null || !('imageId' in container.image))
      return { kind: 'failed', reason: 'a container engine runs images that it keeps, and nothing else' };
    const { image } = container;
    const client = clientOf(engine.socket);
    const task = newEngineTask(taskId, runDir, client, 'launching');
    // Since it is in the table before anything exists, a sweep leaves it alone.
    tasks.set(taskId, task);
    const machine: LaunchMachine = { client, instance, hardCpu, maxPids: defaultTaskPids(), log, stop: closing.signal };
    try {
      const prepared = await prepareAsk(spec, container, machine);
      task.container = prepared.asked.name;
      task.stopSignal = prepared.asked.stopSignal;
      task.hasHolder = prepared.asked.holder !== '';
      const result = await slots.run(closing.signal, () => askUntilKnown(spec, image, prepared, machine));
      if (result === null) return await new Promise(() => undefined); // Closing: the next agent finds it.
      if (result.kind === 'failed') return failed(task, result.reason);
      began(task, result.pid, spec.sandbox);
      return result;
    } catch (error) {
      if (closing.signal.aborted) return await new Promise(() => undefined);
      return failed(task, reasonOf(error));
    }
  }

  function failed(task: EngineTask, reason: string): LaunchResult {
    tasks.delete(task.taskId);
    return { kind: 'failed', reason };
  }

  function began(task: EngineTask, pid: number, sandbox: string): void {
    const { taskId, runDir, client, container } = task;
    task.state = 'running';
    task.pid = pid;
    task.pump = startLogPump({ client, taskId, container, runDir, sandbox, log });
    listenTo(client);
    // It may have ended before anybody listened.
    if (pid === 0 || task.seenStatus !== null) void end(task);
    if (task.wanted !== 'nothing') void signal(task);
  }

  // --- ending

  function died(task: EngineTask, status: number | null): void {
    task.seenStatus = status;
    if (task.state === 'running') void end(task);
  }

  /** Harmless when it still runs. */
  async function end(task: EngineTask): Promise<void> {
    if (task.state !== 'running') return;
    task.state = 'ending';
    const exit = await findExit(task);
    if (exit === null) {
      if (task.state === 'ending') task.state = 'running';
      return;
    }
    await task.pump?.finish();
    await record(task, exit);
    // Then it is not on disk: the next agent finds the container, and goes on from there.
    if (closing.signal.aborted) return;
    task.exit = exit;
    task.state = 'ended';
    // Whoever is told takes away its network, which podman refuses while it is joined.
    await removed(task);
    tell(task, exit);
  }

  /** Asks until the engine has an answer. Null: it runs, or this agent closes. */
  async function findExit(task: EngineTask): Promise<TaskExit | null> {
    const backOff = createBackOff();
    while (!closing.signal.aborted) {
      try {
        const found = await findContainer(task.client, task.container);
        if (found.kind === 'running' || found.kind === 'created') return null;
        if (found.kind === 'ended') return exitOfContainer(found, task);
        if (task.seenStatus !== null) return exitOfContainer({ kind: 'ended', status: task.seenStatus, oomKilled: false, error: '' }, task);
        return exitLost(REMOVED, {});
      } catch (error) {
        task.engineWasAway = true;
        log.debug('container-not-seen', { taskId: task.taskId, why: reasonOf(error) });
        await backOff.wait();
      }
    }
    return null;
  }

  /** Until it is on disk: the container is not removed before. */
  async function record(task: EngineTask, exit: TaskExit): Promise<void> {
    const backOff = createBackOff();
    while (!closing.signal.aborted) {
      try {
        return appendLine(task.runDir, { kind: 'exit', exit });
      } catch (error) {
        log.warn('exit-not-recorded', { taskId: task.taskId, why: reasonOf(error) });
        await backOff.wait();
      }
    }
  }

  function tell(task: EngineTask, exit: TaskExit): void {
    const ended = closing.signal.aborted ? undefined : listeners.get(task.taskId);
    listeners.delete(task.taskId);
    ended?.(exit);
  }

  function onExit(taskId: TaskId, ended: (exit: TaskExit) => void): void {
    listeners.set(taskId, ended);
    const task = tasks.get(taskId);
    if (task?.state === 'ended' && task.exit !== null) queueMicrotask(() => task.exit !== null && tell(task, task.exit));
  }

  /** What cannot be removed now is by `forget`, which is asked again, or by a sweep. */
  async function remove(task: EngineTask): Promise<boolean> {
    if (task.isRemoved || task.container === '') return true;
    task.removal ??= removeContainer(task.client, task.container)
      .then(() => void (task.isRemoved = true))
      .catch((error: unknown) => log.debug('container-not-removed', { taskId: task.taskId, why: reasonOf(error) }))
      .finally(() => (task.removal = null));
    await task.removal;
    return task.isRemoved;
  }

  /** As far as somebody has to wait for it. */
  async function removed(task: EngineTask): Promise<void> {
    const removal = remove(task);
    if (task.hasHolder) await removal;
  }

  // --- signals

  /** Sends what is wanted until the engine has taken it, or the task is over. A kill goes on until the end. */
  async function signal(task: EngineTask): Promise<void> {
    const { wanted } = task;
    if (wanted === 'nothing' || (task.state !== 'running' && task.state !== 'ending') || closing.signal.aborted) return;
    // Whoever ends it from here on, it was asked for: the answer may be lost.
    task.wasSignalled = true;
    try {
      const wasSent = await signalContainer(task.client, task.container, wanted === 'kill' ? SIGKILL : task.stopSignal);
      if (!wasSent) void end(task);
      if (wasSent && wanted === 'terminate') return;
    } catch (error) {
      log.warn('signal-not-sent', { taskId: task.taskId, wanted, why: reasonOf(error), againInMs: SIGNAL_AGAIN_MS });
    }
    // Not unreferenced: an agent that stops in between would leave half a kill behind.
    if (task.wanted === wanted) setTimeout(() => void (task.wanted === wanted && signal(task)), SIGNAL_AGAIN_MS);
  }

  function want(taskId: TaskId, wanted: 'terminate' | 'kill'): void {
    const task = tasks.get(taskId);
    if (task === undefined || task.state === 'ended' || (task.wanted === 'kill' && wanted === 'terminate')) return;
    task.wanted = wanted;
    if (task.state === 'running') void signal(task);
  }

  // --- after an agent's restart

  async function recover(taskId: TaskId, runDir: string): Promise<Recovered> {
    if (tasks.has(taskId)) throw new Error(`the task "${taskId}" is not left over: this runtime has launched or recovered it`);
    const journal = readEngineJournal(runDir);
    const { asked } = journal;
    const client = clientOf(asked === null || asked.socket === '' ? socketNow() : asked.socket);
    const task = newEngineTask(taskId, runDir, client, 'recovering');
    task.container = asked?.container ?? '';
    task.stopSignal = asked?.stopSignal ?? 0;
    task.hasHolder = (asked?.holder ?? '') !== '';
    tasks.set(taskId, task);
    try {
      const verdict = await judgeLeft(task, journal, log);
      if (verdict !== null) return await settle(task, journal, verdict);
    } catch (error) {
      tasks.delete(taskId);
      throw error;
    }
    return { kind: 'undecided', settled: judgeUntilKnown(task, journal, log, closing.signal).then((verdict) => settle(task, journal, verdict)) };
  }

  async function settle(task: EngineTask, journal: EngineJournal, verdict: ContainerVerdict): Promise<SettledRecovery> {
    switch (verdict.kind) {
      case 'running':
        began(task, verdict.pid, journal.asked?.sandbox ?? '');
        // Without a pid the look at it is under way; it is running until that says otherwise.
        return { kind: 'running', pid: verdict.pid };
      case 'exited':
        return await settleExit(task, journal, verdict.exit);
      case 'never-started':
      case 'withdraw':
        tasks.delete(task.taskId);
        await removed(task);
        return { kind: 'never-started' };
    }
  }

  async function settleExit(task: EngineTask, journal: EngineJournal, exit: TaskExit): Promise<SettledRecovery> {
    if (journal.exit === null && journal.asked !== null) {
      const { client, taskId, container, runDir } = task;
      await startLogPump({ client, taskId, container, runDir, sandbox: journal.asked.sandbox, log }).finish();
      await record(task, exit);
    }
    task.exit = exit;
    task.state = 'ended';
    await removed(task);
    return { kind: 'exited', exit };
  }

  // --- looking and cleaning up

  async function forget(taskId: TaskId, runDir: string): Promise<void> {
    const task = tasks.get(taskId);
    if (task !== undefined && task.state !== 'ended') throw new Error(`the task "${taskId}" is still ${task.state}: forget it after its end`);
    if (task !== undefined && !(await remove(task))) throw new Error(`the container of "${taskId}" cannot be removed: its engine does not answer`);
    tasks.delete(taskId);
    listeners.delete(taskId);
    await rm(runDir, { recursive: true, force: true });
  }

  async function sweep(known: ReadonlySet<TaskId>): Promise<number> {
    let removed = entries.endLeft();
    if (options.engine() !== null) clientOf(socketNow());
    for (const { client } of engines.values()) {
      try {
        const found = await listContainers(client, instance);
        const isKnown = (id: string): boolean => [...known, ...tasks.keys()].some((each) => each === id);
        for (const { id } of found.filter(({ taskId }) => !isKnown(taskId))) {
          await removeContainer(client, id);
          removed += 1;
        }
      } catch (error) {
        log.debug('engine-not-swept', { socket: client.socket, why: reasonOf(error) });
      }
    }
    return removed;
  }

  return {
    get abilities() {
      return options.engine()?.abilities;
    },
    has: (taskId) => tasks.has(taskId),
    launch,
    recover,
    onExit,
    terminate: (taskId) => want(taskId, 'terminate'),
    kill: (taskId) => want(taskId, 'kill'),
    async resize(taskId, limits) {
      const task = tasks.get(taskId);
      const result = task === undefined ? null : await resizeContainer(task, { ...limits, hardCpu }, closing.signal);
      if (closing.signal.aborted) return await new Promise(() => undefined); // The next agent does it again.
      return result ?? { kind: 'refused', reason: `the task "${taskId}" does not run` };
    },
    stats: (ids) => statistics(ids.flatMap((id) => tasks.get(id) ?? [])),
    async exec(spec) {
      const task = tasks.get(spec.taskId);
      if (task?.state !== 'running') throw new Error('the task does not run');
      return await entries.start(spec, task.client, task.container);
    },
    forget,
    sweep,
    close() {
      closing.abort();
      entries.close();
      for (const { watch } of engines.values()) watch?.close();
      for (const { pump } of tasks.values()) pump?.close();
    },
  };
}

const SIGKILL = 9;
