/** Images of a real engine and a real registry: what a tag means is told before the pull, and what is here needs no registry. */
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalRegistry, startRegistry } from '../../test/local-registry.js';
import { type OwnEngine, openOwnEngine, TEST_IMAGE } from '../../test/own-engine.js';
import { engineClient, type ImageWish, openEngineImages } from '../index.js';
import type { EngineImages } from './engine-images.js';

jest.setTimeout(120_000);

let dir: string;
let engine: OwnEngine;
let registry: LocalRegistry;
let images: EngineImages;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ekiden-engine-images-'));
  registry = await startRegistry();
  engine = await openOwnEngine({ network: 'machine' });
  images = openEngineImages({ client: engineClient(engine.socket), authFile: null, stallMs: 10_000, maxImageBytes: 2 ** 30 });
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  expect(await engine.end()).toEqual([]);
});

/** `told`: all that is said meanwhile. */
const asked = (reference: string, told: string[] = []): ImageWish => ({
  reference,
  forcePull: false,
  ask: true,
  sandbox: dir,
  stop: new AbortController().signal,
  progress: (text) => told.push(text),
  found: (digest) => told.push(digest),
});

it('says what a tag means before it pulls, pulls nothing that is here, and stays with what was found', async () => {
  const name = registry.push('asked:v1', ['--config.cmd', 'old'], 1);
  const told: string[] = [];
  const old = await images.ensure(asked(name, told));
  expect(told[0]).toBe(old.registryDigest);
  expect(told[1]).toContain('asking the engine');
  const quiet: string[] = [];
  expect(await images.ensure(asked(name, quiet))).toEqual(old);
  expect(quiet).toEqual([]);
  registry.push('asked:v1', ['--config.cmd', 'new'], 1);
  const next = await images.ensure(asked(name));
  expect(next).toMatchObject({ config: { cmd: ['new'] } });
  expect(next.registryDigest).not.toBe(old.registryDigest);
  await registry.close();
  expect(await images.ensure(asked(name))).toEqual(next);
  expect(await images.ensure({ ...asked(`${name}@${old.registryDigest}`), ask: false })).toMatchObject({ imageId: old.imageId, config: { cmd: ['old'] } });
  await expect(images.ensure(asked(`${name}@sha256:${'0'.repeat(64)}`))).rejects.toThrow('cannot be had');
});

it('takes what was made in the engine as it is, and finds it again by what it was', async () => {
  const build = async (word: string): Promise<void> => {
    writeFileSync(join(dir, 'Dockerfile'), `FROM ${TEST_IMAGE}\nCMD ${word}\n`);
    await engine.docker('build', '-q', '-t', 'made:1', dir);
  };
  await build('first');
  const told: string[] = [];
  const first = await images.ensure(asked('made:1', told));
  expect({ told, registryDigest: first.registryDigest }).toEqual({ told: [], registryDigest: first.imageId });
  await build('second');
  expect(await images.ensure({ ...asked(`made:1@${first.registryDigest}`), ask: false })).toMatchObject({ imageId: first.imageId });
  expect((await images.ensure(asked('made:1'))).imageId).not.toBe(first.imageId);
});
