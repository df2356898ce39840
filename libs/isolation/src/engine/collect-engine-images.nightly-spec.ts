/** Which images of a real engine are collected: what this agent has pulled there and nobody uses, and nothing of anybody else. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalRegistry, startRegistry } from '../../test/local-registry.js';
import { type OwnEngine, openOwnEngine } from '../../test/own-engine.js';
import { silentLog } from '../../test/real-tasks.js';
import { type EngineImage, type EngineImages, engineClient, openEngineImages, openImageLedger } from '../index.js';

jest.setTimeout(120_000);

const MINUTE_MS = 60_000;
const NONE: ReadonlySet<string> = new Set();

let engine: OwnEngine;
let registry: LocalRegistry;
let dir: string;
let images: EngineImages;
let pushed = 0;

const open = (): EngineImages => {
  const ledger = openImageLedger(join(dir, 'ledger'), silentLog, () => Date.now());
  return openEngineImages({
    client: engineClient(engine.socket),
    authFile: null,
    stallMs: 10_000,
    maxImageBytes: 2 ** 30,
    collecting: { ledger, storage: '', log: silentLog },
  });
};

beforeAll(async () => {
  registry = await startRegistry();
  engine = await openOwnEngine({ network: 'machine' });
});
afterAll(async () => {
  await registry.close();
  expect(await engine.end()).toEqual([]);
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ekiden-engine-collect-'));
  images = open();
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** One of its own each time. */
function push(name = `own-${pushed + 1}:v1`): string {
  pushed += 1;
  return registry.push(name, ['--config.env', `NUMBER=${pushed}`, '--config.cmd', '/bin/true']);
}
const ensure = (reference: string, forcePull = false): Promise<EngineImage> =>
  images.ensure({ reference, forcePull, sandbox: dir, stop: new AbortController().signal, progress: () => undefined });
/** As if so long had passed, with a week to be kept. */
const collect = (minutes: number, inUse = NONE, keepMinutes = 7 * 24 * 60): Promise<number> =>
  images.collect(inUse, { now: Date.now() + minutes * MINUTE_MS, keepMs: keepMinutes * MINUTE_MS, maxUsedShare: 1 });
const has = async (name: string): Promise<boolean> => (await engine.docker('images', '-q', '--no-trunc', name)) !== '';
const WEEKS = 30 * 24 * 60;

it('removes what it has pulled once nobody has used it for so long, also as the next agent', async () => {
  const reference = push();
  await ensure(reference);
  expect(await collect(5, NONE, 0)).toBe(0);
  expect(await collect(24 * 60)).toBe(0);
  images = open();
  expect(await collect(WEEKS)).toBe(1);
  expect(await has(reference)).toBe(false);
  // What has gone meanwhile is nothing to remove.
  await ensure(reference);
  await engine.docker('rmi', reference);
  expect(await collect(WEEKS)).toBe(1);
  expect(await collect(WEEKS)).toBe(0);
});

it('keeps what a task or a container uses, whoever has made it', async () => {
  const [ofTask, ofContainer] = [push(), push()];
  const image = await ensure(ofTask);
  await ensure(ofContainer);
  const container = await engine.docker('create', ofContainer);
  expect(await collect(WEEKS, new Set([image.digest]))).toBe(0);
  expect(await Promise.all([has(ofTask), has(ofContainer)])).toEqual([true, true]);
  await engine.docker('rm', container);
  expect(await collect(WEEKS)).toBe(2);
});

it('leaves alone what was there before, though it was asked for, and what somebody has named', async () => {
  const [theirs, named] = [push(), push()];
  await engine.docker('pull', theirs);
  await ensure(theirs);
  await ensure(theirs, true);
  const { imageId } = await ensure(named);
  await engine.docker('tag', named, 'mine:v1');
  await collect(WEEKS);
  expect(await has(theirs)).toBe(true);
  expect(await has(named)).toBe(false);
  expect(await engine.docker('images', '-q', '--no-trunc', 'mine:v1')).toBe(imageId);
  expect(await collect(WEEKS)).toBe(0);
  await engine.docker('rmi', 'mine:v1', theirs);
});

it('removes an image that has lost its name to a newer one', async () => {
  const reference = push('moves:v1');
  const old = await ensure(reference);
  push('moves:v1');
  const now = await ensure(reference, true);
  expect(now.imageId).not.toBe(old.imageId);
  expect(await collect(WEEKS, new Set([now.digest]))).toBe(1);
  const left = await engine.docker('images', '-aq', '--no-trunc');
  expect([left.includes(old.imageId), left.includes(now.imageId)]).toEqual([false, true]);
  expect(await collect(WEEKS)).toBe(1);
});

it('takes what an agent was pulling when it was killed for ours, unless it was there', async () => {
  const [cut, there] = [push(), push()];
  await engine.docker('pull', there);
  const before = (await engine.docker('images', '-aq', '--no-trunc')).split('\n');
  const killed = openImageLedger(join(dir, 'ledger'), silentLog, () => Date.now());
  for (const reference of [cut, there]) killed.begin({ reference, before });
  await engine.docker('pull', cut);
  images = open();
  expect(await collect(0)).toBe(0);
  expect(await collect(WEEKS)).toBe(1);
  expect(await Promise.all([has(cut), has(there)])).toEqual([false, true]);
  await engine.docker('rmi', there);
});
