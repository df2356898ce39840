/**
 * Probes the health checks of running tasks, each in a rhythm of its own, and reports what changed.
 *
 * A check never overlaps itself: the next probe is set when the last has answered, one interval after that one began.
 * At most `MAX_PROBES` run at once on this agent. What a result means is decided in check-machine.ts.
 */
import type { AtTask, TaskHealthCheck } from '@ekiden/mesos';
import type { HealthCheck, Timer } from '@ekiden/model';
import type { AgentPorts, ProbeResult } from '../agent-ports.js';
import type { LiveTask } from '../tasks/live-task.js';
import { Slots } from '../tasks/slots.js';
import { taskEnv } from '../tasks/task-env.js';
import { firstProbeMs, startRetryMs, stepCheck } from './check-machine.js';

/** Probes of health and readiness at once, of all tasks together. */
export const MAX_PROBES = 64;

/** No check is asked more often, whatever its framework says: a mistake there must not load the machine. */
export const MIN_CHECK_INTERVAL_MS = 100;

/**
 * Where a machine reaches itself, as Mesos' own executors probe; Marathon's kinds go to the address that clients use. For one of
 * several agents on a machine, known as 127.0.0.i, it is that address: its tasks listen there and not on 127.0.0.1.
 */
export const loopbackOf = (ip: string): string => (ip.startsWith('127.') ? ip : '127.0.0.1');

type ProbePorts = Pick<AgentPorts, 'clock' | 'random' | 'probe' | 'config'>;

/** Stops the checks of one task; results that are still on their way are dropped. */
export interface RunningChecks {
  stop(): void;
}

export function startHealthChecks(task: LiveTask, ports: ProbePorts, slots: Slots, changed: (check: HealthCheck, index: number) => void): RunningChecks {
  const stopping = new AbortController();
  const { signal } = stopping;
  const timers: (Timer | null)[] = task.plan.healthChecks.map(() => null);
  // What an earlier agent said last need not be on the disk: the first result that counts is told, whatever is remembered.
  const untold = new Set(task.plan.healthChecks.keys());

  const schedule = (check: TaskHealthCheck, index: number, delayMs: number, ignoredBefore: number): void => {
    timers[index] = ports.clock.after(delayMs, () => void probe(check, index, ignoredBefore));
  };
  const probe = async (check: TaskHealthCheck, index: number, ignoredBefore: number): Promise<void> => {
    const began = ports.clock.now();
    const outcome = await slots.run(() => (signal.aborted ? Promise.resolve(null) : answerOf(() => runProbe(task, check, ports, signal))));
    if (signal.aborted || outcome === null) return;
    const now = ports.clock.now();
    const step = stepCheck(
      task.checks[index] ?? null,
      outcome.ok ? { kind: 'success' } : { kind: 'failure', cause: outcome.cause ?? 'failed' },
      now,
      task.record.startedAt ?? now,
      check,
    );
    task.checks = task.checks.map((result, at) => (at === index ? step.result : result));
    if (step.changed || (!step.ignored && untold.has(index))) {
      untold.delete(index);
      changed(check, index);
    }
    if (signal.aborted) return; // what was reported may have begun a kill
    const ignored = step.ignored ? ignoredBefore + 1 : 0;
    const intervalMs = Math.max(MIN_CHECK_INTERVAL_MS, check.intervalMs);
    const pauseMs = step.ignored ? startRetryMs(ignoredBefore, intervalMs) : Math.max(0, intervalMs - (now - began));
    schedule(check, index, pauseMs, ignored);
  };

  task.plan.healthChecks.forEach((check, index) => schedule(check, index, firstProbeMs(check, ports.random.next()), 0));
  return {
    stop: () => {
      stopping.abort();
      for (const timer of timers) timer?.cancel();
    },
  };
}

/** A check that cannot even be asked (a path that is none, a port that is none) has failed; it must not end the agent. */
export async function answerOf(ask: () => Promise<ProbeResult>): Promise<ProbeResult> {
  try {
    return await ask();
  } catch (error) {
    return { ok: false, cause: `the check cannot be run: ${error instanceof Error ? error.message : String(error)}`, response: null };
  }
}

/** Where a check of a task is asked; null: at its own address, which it does not have. */
export function checkedHost(task: LiveTask, check: AtTask & { readonly protocol: string }, ip: string): string | null {
  if (check.atTask === true) return task.network?.addresses[0] ?? null;
  return check.protocol.startsWith('MESOS_') ? loopbackOf(ip) : ip;
}

export const NO_ADDRESS: ProbeResult = { ok: false, cause: 'the task has no address of its own', response: null };

function runProbe(task: LiveTask, check: TaskHealthCheck, ports: ProbePorts, stop: AbortSignal): Promise<ProbeResult> {
  const { probe, config } = ports;
  const host = checkedHost(task, check, config.ip);
  if (host === null && check.protocol !== 'COMMAND') return Promise.resolve(NO_ADDRESS);
  const { timeoutMs } = check;
  switch (check.protocol) {
    case 'HTTP':
    case 'HTTPS':
    case 'MESOS_HTTP':
    case 'MESOS_HTTPS':
      return probe.http({
        scheme: check.protocol.endsWith('HTTPS') ? 'https' : 'http',
        host: host ?? config.ip,
        port: check.port ?? 0,
        path: check.path,
        timeoutMs,
        keepBody: false,
      });
    case 'TCP':
    case 'MESOS_TCP':
      return probe.tcp({ host: host ?? config.ip, port: check.port ?? 0, timeoutMs });
    case 'COMMAND':
      return probe.command({
        line: check.command ?? 'false',
        sandbox: task.record.sandbox,
        env: envOf(task, ports),
        user: task.plan.user,
        isolation: task.plan.isolation,
        ...(task.plan.limits.nofile === undefined ? {} : { nofile: task.plan.limits.nofile }),
        timeoutMs,
        taskId: task.taskId,
        stop,
      });
  }
}

const envOf = (task: LiveTask, { config }: ProbePorts): Readonly<Record<string, string>> =>
  taskEnv({ taskId: task.taskId, frameworkId: task.record.frameworkId, agentId: null, sandbox: task.record.sandbox }, config.baseEnv, task.plan.env);
