/**
 * Asks a started task whether it is ready, until it is; then never again (Marathon: readiness checks).
 *
 * The first question comes at once. While nobody listens yet, the next ones come soon and then slower, so that a start is
 * noticed before a whole interval has passed. A connection that fails counts as a response with status 504.
 */
import type { ReadinessResult, Timer } from '@ekiden/model';
import type { AgentPorts, ProbeResult } from '../agent-ports.js';
import type { LiveTask } from '../tasks/live-task.js';
import type { Slots } from '../tasks/slots.js';
import { startRetryMs } from './check-machine.js';
import { answerOf, checkedHost, MIN_CHECK_INTERVAL_MS, NO_ADDRESS, type RunningChecks } from './check-runner.js';

type ReadinessCheck = NonNullable<LiveTask['plan']['readinessCheck']>;

export function startReadinessCheck(
  task: LiveTask,
  check: ReadinessCheck,
  ports: Pick<AgentPorts, 'clock' | 'probe' | 'config'>,
  slots: Slots,
  changed: () => void,
): RunningChecks {
  let stopped = false;
  let timer: Timer | null = null;

  const ask = async (unanswered: number): Promise<void> => {
    const answer = await slots.run(() =>
      stopped
        ? Promise.resolve(null)
        : answerOf(() => {
            const host = checkedHost(task, check, ports.config.ip);
            if (host === null) return Promise.resolve(NO_ADDRESS);
            const { port, path, timeoutMs, preserveLastResponse: keepBody } = check;
            return ports.probe.http({ scheme: check.protocol === 'HTTPS' ? 'https' : 'http', host, port, path, timeoutMs, keepBody });
          }),
    );
    if (stopped || answer === null) return;
    const result = judgeReadiness(check, answer);
    const news = JSON.stringify(result) !== JSON.stringify(task.readiness);
    task.readiness = result;
    if (news) changed();
    if (stopped || result.ready) return;
    const intervalMs = Math.max(MIN_CHECK_INTERVAL_MS, check.intervalMs);
    const pauseMs = answer.response ? intervalMs : startRetryMs(unanswered, intervalMs);
    timer = ports.clock.after(pauseMs, () => void ask(answer.response ? 0 : unanswered + 1));
  };

  timer = ports.clock.after(0, () => void ask(0));
  return {
    stop: () => {
      stopped = true;
      timer?.cancel();
    },
  };
}

export function judgeReadiness(check: ReadinessCheck, answer: ProbeResult): ReadinessResult {
  const response = answer.response ?? { status: 504, contentType: 'text/plain', body: `the task could not be asked: ${answer.cause ?? 'no response'}` };
  return { ready: check.statusCodes.includes(response.status), lastResponse: check.preserveLastResponse ? response : null };
}
