/** Images from a real registry: pulled once, pinned, with and without credentials, and what is said when it does not work. */
import { spawn } from 'node:child_process';
import { createServer, type Socket } from 'node:net';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalRegistry, startRegistry } from '../../test/local-registry.js';
import { silentLog, until } from '../../test/real-tasks.js';
import { type ImageStore, type ImageTools, type ImageWish, openImageStore, probeContainers } from '../index.js';
import { listProcesses, readProcFile } from '../proc.js';
import { MIN_UNUSED_MS } from './collect-images.js';

jest.setTimeout(60_000);

let dir: string;
let registry: LocalRegistry;
let tools: ImageTools;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ekiden-images-'));
  const probed = await probeContainers(dir);
  if (probed.kind === 'missing') throw new Error(probed.reasons.join('; '));
  tools = probed.imageTools;
  registry = await startRegistry();
});
afterAll(async () => {
  await registry.close();
  rmSync(dir, { recursive: true, force: true });
});

let stores = 0;
function store(changes: { stallMs?: number; maxImageBytes?: number; authFile?: string } = {}): ImageStore & { readonly dir: string } {
  stores += 1;
  const own = join(dir, `store-${stores}`);
  const opened = openImageStore({
    dir: own,
    tools,
    log: silentLog,
    insecureRegistries: [],
    authFile: null,
    stallMs: 20_000,
    maxImageBytes: 2 ** 30,
    ...changes,
  });
  return { ...opened, dir: own };
}

function wish(reference: string, changes: Partial<ImageWish> = {}): ImageWish {
  return { reference, forcePull: false, sandbox: dir, stop: new AbortController().signal, progress: () => undefined, ...changes };
}

it('brings an image, says so meanwhile, and knows what it wants', async () => {
  const name = registry.push('hello:v1', [
    '--config.entrypoint',
    '/bin/echo',
    '--config.cmd',
    'hello',
    '--config.user',
    'app',
    '--config.env',
    'A=b',
    '--config.stopsignal',
    'SIGQUIT',
    '--config.workingdir',
    '/tmp',
  ]);
  const said: string[] = [];
  const images = store();
  const image = await images.ensure(wish(name, { progress: (text) => said.push(text) }));
  expect(image.config).toEqual({ user: 'app', env: { A: 'b' }, entrypoint: ['/bin/echo'], cmd: ['hello'], workingDirectory: '/tmp', stopSignal: 'SIGQUIT' });
  expect(existsSync(join(image.rootfs, 'bin/busybox'))).toBe(true);
  expect(said[0]).toContain('asking the registry');
  expect(said.at(-1)).toContain('unpacking');
  expect(readdirSync(join(images.dir, 'work'))).toEqual([]);
});

it('pulls once for all who ask at the same time, and not at all when it is here', async () => {
  const name = registry.push('many:v1', []);
  const images = store();
  const said: string[] = [];
  const all = await Promise.all([1, 2, 3].map(() => images.ensure(wish(name, { progress: (text) => said.push(text) }))));
  expect(new Set(all.map(({ digest }) => digest)).size).toBe(1);
  expect(new Set(said.filter((text) => text.includes('unpacking'))).size).toBe(1);
  said.length = 0;
  expect((await images.ensure(wish(name, { progress: (text) => said.push(text) }))).digest).toBe(all[0]?.digest);
  expect(said).toEqual([]);
});

it('stays with what a tag meant, until it is told to ask again', async () => {
  const name = registry.push('moving:v1', ['--config.cmd', 'old']);
  const images = store();
  const old = await images.ensure(wish(name));
  registry.push('moving:v1', ['--config.cmd', 'new']);
  expect((await images.ensure(wish(name))).digest).toBe(old.digest);
  const next = await images.ensure(wish(name, { forcePull: true }));
  expect(next.config.cmd).toEqual(['new']);
  expect((await images.ensure(wish(name))).digest).toBe(next.digest);
});

it('asks anew where it is to, says what it found before all of it is here, and takes what is here when there is no answer', async () => {
  const other = await startRegistry();
  const name = other.push('asked:v1', ['--config.cmd', 'old'], 1);
  const images = store();
  const heard: string[] = [];
  const ask = wish(name, { ask: true, found: (digest) => heard.push(digest), progress: (text) => heard.push(text) });
  const old = await images.ensure(ask);
  const at = heard.indexOf(old.registryDigest ?? '');
  expect(heard.slice(0, at).join()).not.toContain('unpacking');
  expect(heard.slice(at).join()).toContain('unpacking');
  other.push('asked:v1', ['--config.cmd', 'new'], 1);
  expect((await images.ensure(wish(name))).registryDigest).toBe(old.registryDigest);
  const next = await images.ensure(ask);
  expect(next.config.cmd).toEqual(['new']);
  await other.close();
  expect((await images.ensure(ask)).registryDigest).toBe(next.registryDigest);
  // As a launch says it that knows: no registry is needed for what is here, whatever the tag means now.
  expect((await images.ensure(wish(`${name}@${old.registryDigest}`))).config.cmd).toEqual(['old']);
  await expect(images.ensure(wish(name, { forcePull: true, ask: true }))).rejects.toThrow('connection refused');
  await expect(images.ensure(wish(`${name}@sha256:${'0'.repeat(64)}`))).rejects.toThrow('connection refused');
});

it('brings exactly the digest that is asked for', async () => {
  const name = registry.push('pinned:v1', ['--config.cmd', 'old']);
  const old = await store().ensure(wish(name));
  registry.push('pinned:v1', ['--config.cmd', 'new']);
  const again = await store().ensure(wish(`${registry.address}/pinned@${old.digest}`));
  expect(again.config.cmd).toEqual(['old']);
});

it.each([
  ['an image that does not exist', () => `${registry.address}/nothing:v1`, 'manifest unknown'],
  ['a registry that is not there', () => '127.0.0.1:1/x', 'connection refused'],
  ['a name that is none', () => 'UPPER case', 'is no image'],
])('says why: %s', async (_, name, why) => {
  await expect(store().ensure(wish(name()))).rejects.toThrow(why);
});

it('gives up on a registry that stalls, and says so', async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => void sockets.add(socket));
  const port = await new Promise<number>((resolve) => silent.listen(0, '127.0.0.1', () => resolve((silent.address() as { port: number }).port)));
  await expect(store({ stallMs: 300 }).ensure(wish(`127.0.0.1:${port}/x`))).rejects.toThrow(`the registry 127.0.0.1:${port} stalls`);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
});

it('leaves no program behind when its agent is killed while it pulls', async () => {
  const sockets = new Set<Socket>();
  let asked: () => void = () => undefined;
  const isAsked = new Promise<void>((resolve) => (asked = resolve));
  const silent = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    asked();
  });
  const port = await new Promise<number>((resolve) => silent.listen(0, '127.0.0.1', () => resolve((silent.address() as { port: number }).port)));
  const agent = spawn(process.execPath, ['--import', 'tsx', join(__dirname, '../../test/pulling-process.ts'), dir, `127.0.0.1:${port}/x`], {
    stdio: 'ignore',
  });
  await isAsked;
  const pulling = (): boolean =>
    listProcesses().some(({ pid, state }) => state !== 'Z' && (readProcFile(`/proc/${pid}/cmdline`) ?? '').includes(`docker://127.0.0.1:${port}/x`));
  expect(pulling()).toBe(true);
  agent.kill('SIGKILL');
  await until('its skopeo to be gone', () => !pulling());
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
});

it('refuses an image that is too large before it is copied', async () => {
  const name = registry.push('large:v1', [], 3);
  await expect(store({ maxImageBytes: 2 ** 20 }).ensure(wish(name))).rejects.toThrow('--image-max-mib');
});

it('stops when nobody waits any more', async () => {
  const name = registry.push('stopped:v1', []);
  const images = store();
  const stop = new AbortController();
  const waiting = images.ensure(wish(name, { stop: stop.signal, progress: () => stop.abort() }));
  await expect(waiting).rejects.toThrow('it was stopped');
  expect((await images.ensure(wish(name))).rootfs).toContain(images.dir);
});

it('keeps what is used, and removes what is not, with its blobs', async () => {
  const images = store();
  const kept = await images.ensure(wish(registry.push('kept:v1', ['--config.cmd', 'kept'])));
  const other = await images.ensure(wish(registry.push('gone:v1', ['--config.cmd', 'gone'], 1)));
  const now = Date.now();
  const policy = { keepMs: 1000, maxUsedShare: 1 };
  expect(images.collect(new Set(), { ...policy, now })).toBe(0);
  expect(images.collect(new Set([kept.digest]), { ...policy, now: now + 2 * MIN_UNUSED_MS })).toBe(1);
  expect(existsSync(other.rootfs)).toBe(false);
  expect(existsSync(kept.rootfs)).toBe(true);
  const blobs = readdirSync(join(images.dir, 'blobs/sha256'));
  expect(blobs).toHaveLength(3);
  expect(images.collect(new Set(), { keepMs: 1e12, maxUsedShare: 0, now: now + 2 * MIN_UNUSED_MS })).toBe(1);
  expect(readdirSync(join(images.dir, 'blobs/sha256'))).toEqual([]);
});

describe('a private registry', () => {
  // bcrypt of "secret"
  const HTPASSWD = 'team:$2b$04$shZSLCE3ItPStuwVvZR1jOWsCZqJL0s4.aRcGet5m1y2fbwrZBc0q\n';
  let secret: LocalRegistry;
  let name: string;
  const login = (): string =>
    JSON.stringify({ auths: { [secret.address]: { auth: Buffer.from('team:secret').toString('base64') } }, credHelpers: { [secret.address]: 'evil' } });

  beforeAll(async () => {
    secret = await startRegistry(HTPASSWD);
    name = secret.push('private:v1', []);
  });
  afterAll(() => secret.close());

  it('is not open to those without credentials', async () => {
    await expect(store().ensure(wish(name))).rejects.toThrow(/unauthorized|authentication required/);
  });

  it('is open with what was fetched into the sandbox, whatever else that file says', async () => {
    const sandbox = mkdtempSync(join(dir, 'sandbox-'));
    mkdirSync(join(sandbox, '.docker'));
    writeFileSync(join(sandbox, '.docker/config.json'), login());
    expect((await store().ensure(wish(name, { sandbox }))).rootfs).toContain('rootfs');
  });

  it('is open with the file of the operator', async () => {
    const authFile = join(dir, 'operator.json');
    writeFileSync(authFile, login().replace(/,"credHelpers.*$/, '}'));
    const images = store({ authFile });
    expect((await images.ensure(wish(name))).rootfs).toContain('rootfs');
    expect(readFileSync('/proc/self/cmdline', 'utf8')).not.toContain('secret');
  });

  it('follows no link in the sandbox', async () => {
    const sandbox = mkdtempSync(join(dir, 'sandbox-'));
    symlinkSync('/etc/shadow', join(sandbox, 'config.json'));
    await expect(store().ensure(wish(name, { sandbox }))).rejects.toThrow('is a link, which is not followed');
  });
});
