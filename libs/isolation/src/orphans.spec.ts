import { spawnSync } from 'node:child_process';
import { taskId } from '@ekiden/model';
import { adoptedProcesses } from './orphans.js';
import { type ProcessStat, readStat, signalProcess } from './proc.js';
import { type Member, isStranger } from './task-groups.js';

it('lists whoever has lost all parents, also in a session of its own', () => {
  const { stdout } = spawnSync('/bin/sh', ['-c', '(setsid sleep 60 >/dev/null 2>&1 & echo $!) ; exit 0'], { encoding: 'utf8' });
  const pid = Number(stdout);
  try {
    expect(adoptedProcesses([])?.map((each) => each?.pid)).toContain(pid);
  } finally {
    signalProcess(pid, 'SIGKILL');
  }
});

it('lists the children of others that it is given, and minds none that is gone', () => {
  const gone = spawnSync('true').pid;
  const self = adoptedProcesses([process.ppid, gone])?.find((each) => each?.pid === process.pid);
  expect(self).toEqual(expect.objectContaining({ startTime: readStat(process.pid)?.startTime }));
});

describe('who is a stranger to ended tasks', () => {
  const member = (id: string, pid: number, startTime: number): Member => ({
    taskId: taskId(id),
    main: { pid, startTime },
    supervisor: null,
    launchedHere: true,
  });
  const tasks = [member('a', 100, 50), member('b', 200, 60)];
  const found = (change: Partial<ProcessStat>): ProcessStat => ({ pid: 300, startTime: 70, state: 'S', pgrp: 300, session: 300, ...change });
  const environs: Record<string, readonly string[]> = {
    'of a task': ['A=1', 'EKIDEN_TASK_ID=b', ''],
    'of another task': ['EKIDEN_TASK_ID=c', ''],
    'of no task': ['A=1', ''],
    unreadable: [''],
  };

  it.each([
    ['older than all of them', found({ startTime: 49 }), 'of a task', true],
    ['in the session of one', found({ session: 100 }), 'of no task', false],
    ['in the group of one', found({ pgrp: 200 }), 'of no task', false],
    ['in its own session with the environment of one', found({}), 'of a task', false],
    ['of another task', found({}), 'of another task', true],
    ['of no task', found({}), 'of no task', true],
    ['one whose environment cannot be read: who knows', found({}), 'unreadable', false],
  ] as const)('%s', (_, stat, environ, isOne) => {
    expect(isStranger(stat, tasks, () => environs[environ] ?? [])).toBe(isOne);
  });
});
