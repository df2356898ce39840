/** `kill -9` of a user's task, and of a task's supervisor alone, after which the task has to run on all the same. */
import { commandOf, isAlive, parentOf, signal } from '../processes.js';
import { always, type Fault } from './fault.js';

export const killTask: Fault = {
  name: 'kill-task',
  weight: 3,
  whyNot: always,
  run({ sparable }, chance) {
    const all = sparable();
    if (all.length === 0) return Promise.resolve(null);
    const task = chance.pick(all);
    if (!isAlive(task.pid)) return Promise.resolve(null);
    task.killedByUsAt = Date.now();
    return Promise.resolve(signal(task.pid, 'SIGKILL') ? `${task.taskId} on ${task.agent}` : null);
  },
};

/** Forked supervisors keep the command line of the shell that forks them. */
const isSupervisor = (pid: number): boolean => commandOf(pid).endsWith('ekiden-forker');

export const killSupervisor: Fault = {
  name: 'kill-supervisor',
  weight: 2,
  whyNot: always,
  run({ watch }, chance) {
    const all = watch.alive();
    if (all.length === 0) return Promise.resolve(null);
    const task = chance.pick(all);
    const supervisor = parentOf(task.pid);
    if (supervisor === null || !isSupervisor(supervisor)) return Promise.resolve(null);
    return Promise.resolve(signal(supervisor, 'SIGKILL') ? `of ${task.taskId} on ${task.agent}` : null);
  },
};
