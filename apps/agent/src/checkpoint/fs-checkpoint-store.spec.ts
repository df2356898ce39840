import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentId, taskId } from '@ekiden/model';
import { aRecord } from '../../test/a-record.js';
import { fileNameOf } from './file-name.js';
import { fsCheckpointStore } from './fs-checkpoint-store.js';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'ekiden-checkpoint-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('gives back what was saved, in the order of the launches', async () => {
  const store = fsCheckpointStore(dir);
  await store.saveAgent({ v: 1, agentId: agentId('a1'), bootId: 'b', masterEpoch: 7 });
  await store.saveTask(aRecord('t2', 2));
  await store.saveTask(aRecord('t1', 1));
  await store.saveTask(aRecord('gone', 3));
  await store.removeTask(taskId('gone'));
  const loaded = await fsCheckpointStore(dir).load();
  expect(loaded).toEqual({ agent: { v: 1, agentId: 'a1', bootId: 'b', masterEpoch: 7 }, tasks: [aRecord('t1', 1), aRecord('t2', 2)], damaged: [] });
});

it('sets what it cannot read aside, with the reason, and goes on', async () => {
  await fsCheckpointStore(dir).saveTask(aRecord('good'));
  const journal = join(dir, 'meta', 'tasks.journal');
  const good = readFileSync(journal, 'utf8');
  const damaged = [`${good.slice(0, 50)}\n`, `${JSON.stringify({ ...aRecord('x'), v: 0 })}\n`, '\n'].join('') + good;
  writeFileSync(journal, damaged);
  writeFileSync(join(dir, 'meta', 'agent.json'), 'null');
  const store = fsCheckpointStore(dir);
  const loaded = await store.load();
  expect(loaded.tasks.map((task) => task.task.name)).toEqual(['good']);
  expect(loaded.damaged.map((line) => line.split(':').slice(0, 2).join())).toEqual([
    'agent.json, no JSON object (moved to ' + join(dir, 'meta', 'damaged', 'agent.json') + ')',
    'tasks.journal, line 1',
    'tasks.journal, line 2',
    'tasks.journal, line 3',
  ]);
  expect(loaded.damaged.join()).toContain('version 0');
  await store.saveTask(aRecord('later'));
  expect(readdirSync(join(dir, 'meta', 'damaged')).sort()).toEqual(['agent.json', 'tasks.journal']);
  expect(readFileSync(join(dir, 'meta', 'damaged', 'tasks.journal'), 'utf8')).toBe(damaged);
  const again = await fsCheckpointStore(dir).load();
  expect(again.damaged).toEqual([]);
  expect(again.tasks.map((task) => task.task.name)).toEqual(['good', 'later']);
});

it.each(['agent.json', 'tasks.journal'])('refuses to start on a %s of a newer version, and leaves all files as they are', async (name) => {
  const before = fsCheckpointStore(dir);
  await before.saveAgent({ v: 1, agentId: agentId('a1'), bootId: 'b', masterEpoch: 7 });
  await before.saveTask(aRecord('t'));
  const file = join(dir, 'meta', name);
  const newer = readFileSync(file, 'utf8').replaceAll('"v":1', '"v":2');
  writeFileSync(file, newer);
  const load = async () => fsCheckpointStore(dir).load();
  await expect(load()).rejects.toThrow(`${name}: version 2 is of a newer agent, this one reads up to 1: start the newer agent again`);
  expect(readFileSync(file, 'utf8')).toBe(newer);
  expect(readdirSync(join(dir, 'meta')).sort()).toEqual(['agent.json', 'tasks.journal']);
});

it('keeps directories and files to their owner', async () => {
  await fsCheckpointStore(dir).saveTask(aRecord('t'));
  expect(statSync(join(dir, 'meta')).mode & 0o777).toBe(0o700);
  expect(statSync(join(dir, 'meta', 'tasks.journal')).mode & 0o777).toBe(0o600);
});

it('makes a file name of any task id', () => {
  expect(fileNameOf(taskId('shop_web.instance-1._app.2'))).toBe('shop_web.instance-1._app.2');
  for (const odd of ['.hidden', 'ü', 'a b', 'x'.repeat(250)]) expect(fileNameOf(taskId(odd))).toMatch(/^sha256-[0-9a-f]{64}$/);
});
