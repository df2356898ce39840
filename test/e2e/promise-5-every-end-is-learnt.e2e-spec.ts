/**
 * Promise 5 on real processes: how a task ended is learnt with its exit code, whoever was away when it happened.
 *
 * `ekiden up` itself is stopped (SIGSTOP) while a part is dead, so that nobody brings the part back before the task ends.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ekiden, eventually, isAlive, killIfAlive, type PartName } from './ekiden.js';
import { EventFollower } from './event-follower.js';

const TIMEOUT_MS = 180_000;

let ekiden: Ekiden;
beforeAll(async () => void (ekiden = await Ekiden.start()), TIMEOUT_MS);
afterAll(async () => ekiden?.end(), TIMEOUT_MS);

/** Waits for a file, takes it away and ends with `code`: once a file. */
const waitsFor = (file: string, code: number): string => `while ! rm ${file} 2>/dev/null; do sleep 0.1; done; exit ${code}`;

const failureOf = async (id: string) => (await ekiden.get(`/v2/apps/${id}?embed=app.lastTaskFailure`)).body.app.lastTaskFailure;

async function whileDown(parts: readonly PartName[], act: () => Promise<void>): Promise<void> {
  process.kill(ekiden.pid, 'SIGSTOP');
  try {
    for (const part of parts) await ekiden.kill(part);
    await act();
  } finally {
    process.kill(ekiden.pid, 'SIGCONT');
  }
}

it.each<[string, PartName[], number]>([
  ['the agent', ['agent'], 7],
  ['the master', ['master'], 8],
  ['the API', ['api'], 9],
  ['Postgres', ['postgres'], 10],
  ['all of them', ['agent', 'master', 'api', 'postgres'], 11],
])(
  'reports the exit code of a task that ended while %s was down',
  async (_, parts, code) => {
    const id = `/ends-${code}`;
    const trigger = join(ekiden.dataDir, `trigger-${code}`);
    await ekiden.deploy({ id, cmd: waitsFor(trigger, code), cpus: 0.05, mem: 16, backoffSeconds: 0 });
    const [task] = await ekiden.tasks(id);
    const pids = ekiden.taskProcesses().flatMap(({ pid, taskId }) => (taskId === task.id ? [pid] : []));

    await whileDown(parts, async () => {
      writeFileSync(trigger, '');
      await eventually('the task has ended', () => !existsSync(trigger) && pids.every((pid) => !isAlive(pid)));
    });

    await eventually('its end is known', async () => (await failureOf(id))?.taskId === task.id);
    expect(await failureOf(id)).toMatchObject({ appId: id, taskId: task.id, state: 'TASK_FAILED', message: expect.stringContaining(`status ${code}`) });
    await ekiden.settled(id);
    await ekiden.send('DELETE', `/v2/apps/${id}`);
  },
  TIMEOUT_MS,
);

it(
  'tells every end as an event, in order: finished, failed, killed by a signal, killed by us',
  async () => {
    const follower = await EventFollower.open(ekiden.api);
    try {
      const app = (id: string, cmd: string) => ekiden.deploy({ id, cmd, cpus: 0.05, mem: 16, backoffSeconds: 0 });
      const [zero, one] = [join(ekiden.dataDir, 'trigger-zero'), join(ekiden.dataDir, 'trigger-one')];
      await Promise.all([app('/zero', waitsFor(zero, 0)), app('/one', waitsFor(one, 1)), app('/signal', 'sleep 1000'), app('/ours', 'sleep 1000')]);
      const first = async (id: string): Promise<string> => (await ekiden.tasks(id))[0].id;
      const ids = { zero: await first('/zero'), one: await first('/one'), signal: await first('/signal'), ours: await first('/ours') };
      writeFileSync(zero, '');
      writeFileSync(one, '');
      for (const { pid, taskId } of ekiden.taskProcesses()) if (taskId === ids.signal) killIfAlive(pid, 'SIGKILL');
      await ekiden.send('DELETE', `/v2/apps//ours/tasks/${ids.ours}`);

      const told = (taskId: string): string[] =>
        follower.ofType('status_update_event').flatMap((event) => (event.taskId === taskId ? [`${event.taskStatus} ${event.message}`] : []));
      const ENDS = /^TASK_(FINISHED|FAILED|KILLED)/;
      await eventually('four ends are told', () => Object.values(ids).every((id) => told(id).some((text) => ENDS.test(text))));
      const end = (taskId: string): string[] => told(taskId).filter((text) => ENDS.test(text));
      expect(end(ids.zero)).toEqual([expect.stringMatching(/^TASK_FINISHED .*status 0/)]);
      expect(end(ids.one)).toEqual([expect.stringMatching(/^TASK_FAILED .*status 1/)]);
      expect(end(ids.signal)).toEqual([expect.stringMatching(/^TASK_FAILED .*SIGKILL/)]);
      expect(end(ids.ours)).toEqual([expect.stringMatching(/^TASK_KILLED/)]);
      for (const id of Object.values(ids)) {
        const states = told(id).map((text) => text.split(' ')[0]);
        expect(states.indexOf('TASK_RUNNING')).toBeLessThan(states.findIndex((state) => ENDS.test(state ?? '')));
      }
    } finally {
      follower.close();
    }
  },
  TIMEOUT_MS,
);
