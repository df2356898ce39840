/** The judges of a chaos run see what they are for: each gets one broken life, and one that is in order. */
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgeEnds, judgeLearnt, judgeStarts } from './checks.js';
import type { Cluster } from './cluster.js';
import type { History, TaskHistory } from './history.js';
import type { TaskProcess } from './processes.js';
import { TaskWatch } from './task-watch.js';

const TASK = 'shop_web.instance-1._app.1';
const SECOND = 'shop_web.instance-1._app.2';

let directory: string;
let processes: TaskProcess[];
let watch: TaskWatch;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ekiden-chaos-spec-'));
  mkdirSync(join(directory, 'journal'));
  processes = [];
  watch = new TaskWatch({ directory, taskProcesses: () => processes } as unknown as Cluster);
});
afterEach(() => rmSync(directory, { recursive: true }));

const aProcess = (taskId: string, more: Partial<TaskProcess> = {}): TaskProcess => ({
  pid: 7,
  startTime: 1,
  taskId,
  agent: 'agent-1',
  cpus: 0.1,
  memMib: 32,
  ...more,
});
const recorded = (more: Partial<TaskHistory> = {}): TaskHistory => ({ recordedAt: 1_000, stop: null, unreachableAt: null, overAt: null, ...more });
const history = (tasks: Readonly<Record<string, TaskHistory>>): History => ({ commits: 1, breaches: [], tasks: new Map(Object.entries(tasks)) });
const writes = (taskId: string, ...lines: string[]): void => writeFileSync(join(directory, 'journal', taskId), lines.map((line) => `${line}\n`).join(''));

/** It runs at one look and is gone at the next. */
function livesAndEnds(taskId: string): void {
  processes = [aProcess(taskId)];
  watch.look();
  processes = [];
  watch.look();
}

describe('the end of a task', () => {
  const ends = (task: TaskHistory): unknown => [...judgeEnds(watch, history({ [TASK]: task })).counts.keys()];
  beforeEach(() => livesAndEnds(TASK));

  it('that nobody asked for is a loss', () => {
    expect(judgeEnds(watch, history({ [TASK]: recorded() })).lost).toEqual([expect.stringContaining(TASK)]);
    expect(judgeEnds(watch, history({})).lost).toHaveLength(1);
  });

  it('is no loss when a step was recorded, its agent was given up, we killed it, or it ended by itself', () => {
    expect(ends(recorded({ stop: { reason: 'upgrading', at: 1 } }))).toEqual(['stopped: upgrading']);
    expect(ends(recorded({ unreachableAt: 1 }))).toEqual(['given-up']);
    writes(TASK, '2000 start 7', '3000 exit 7');
    expect(ends(recorded())).toEqual(['by-itself']);
    watch.lives.get(TASK)!.killedByUsAt = 1;
    expect(ends(recorded())).toEqual(['killed-by-us']);
  });

  it('that somebody ended with SIGTERM is not by itself', () => {
    writes(TASK, '2000 start 7', '3000 term', '3001 exit 0');
    expect(ends(recorded())).toEqual(['lost']);
  });

  it('has to be recorded', () => {
    expect(judgeLearnt(watch, history({ [TASK]: recorded() }))).toEqual([expect.stringContaining('as if it lived')]);
    expect(judgeLearnt(watch, history({ [TASK]: recorded({ overAt: 5_000 }) }))).toEqual([]);
  });
});

describe('the start of a task', () => {
  it('comes after its record, and once', () => {
    writes(TASK, '2000 start 7');
    expect(judgeStarts(watch, history({ [TASK]: recorded() }))).toEqual([]);
    expect(judgeStarts(watch, history({}))).toEqual([expect.stringContaining('never recorded')]);
    expect(judgeStarts(watch, history({ [TASK]: recorded({ recordedAt: 2_001 }) }))).toEqual([expect.stringContaining('before')]);
    writes(TASK, '2000 start 7', '2500 start 8');
    expect(judgeStarts(watch, history({ [TASK]: recorded() }))).toEqual([expect.stringContaining('2 times')]);
  });

  it('with another process than before is a second one', () => {
    processes = [aProcess(TASK)];
    watch.look();
    processes = [aProcess(TASK, { pid: 8, startTime: 2 })];
    watch.look();
    expect(watch.breaches).toEqual([expect.stringContaining('started twice')]);
  });
});

it('sees two tasks of one instance, once however long they run', () => {
  processes = [aProcess(TASK), aProcess(SECOND, { pid: 8 })];
  watch.look();
  watch.look();
  expect(watch.breaches).toEqual([`2. one instance has two processes: ${TASK} and ${SECOND}`]);
});

it('sees more on an agent than it has', () => {
  processes = [aProcess(TASK, { cpus: 1.5 }), aProcess('shop_cart.instance-2._app.1', { pid: 8, cpus: 0.6 })];
  watch.look();
  expect(watch.breaches).toEqual([expect.stringContaining('3. agent-1: 2.10 of 2 cpus')]);
});
