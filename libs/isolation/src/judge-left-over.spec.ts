import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { taskId } from '@ekiden/model';
import { judgeLeftOver } from './judge-left-over.js';
import { JOURNAL_FILE } from './run-journal.js';
import { groupsByProcess } from './task-groups.js';
import { newTracked } from './tracked-task.js';

const BOOT = { launch: 'now', now: 'now' };
/** As /proc has it of a process that lived and is gone: this one's, with a start time that nobody has. */
const deadStat = (): string => readFileSync('/proc/self/stat', 'utf8').trim().replace(/\S+$/, '1').split(' ').with(21, '1').join(' ');

let runDir: string;
beforeEach(() => (runDir = mkdtempSync(join(tmpdir(), 'ekiden-judge-'))));
afterEach(() => rmSync(runDir, { recursive: true }));

/** A look at every process of the machine takes milliseconds: 500 tasks that all ended with their agent made seconds of it. */
const unlooked = {
  ...groupsByProcess('test'),
  remaining: (): never => {
    throw new Error('looked at the machine');
  },
};

it('needs no look at the machine to see that supervisor and task are both gone', () => {
  writeFileSync(join(runDir, JOURNAL_FILE), `sup ${deadStat()}\npid ${deadStat()}\n`);
  expect(judgeLeftOver(newTracked(taskId('t'), runDir, { kind: 'recovering' }), unlooked, BOOT)).toMatchObject({ kind: 'lost', final: true });
});

it('looks for a child whose pid was never written', () => {
  writeFileSync(join(runDir, JOURNAL_FILE), `sup ${deadStat()}\n`);
  const id = taskId('t');
  const found = { ...groupsByProcess('test'), remaining: () => new Map([[id, [process.pid]]]) };
  const task = newTracked(id, runDir, { kind: 'recovering' });
  expect(judgeLeftOver(task, found, BOOT)).toEqual({ kind: 'adopted' });
  expect(task.main?.pid).toBe(process.pid);
});
