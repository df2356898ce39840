import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { frameworkId, taskId, type Artifact } from '@ekiden/model';
import { createFetcher } from './create-fetcher.js';
import type { FetchLimits } from './download.js';
import { EXTRACT_LIMITS, extractArchive, judgeEntry } from './extract-archive.js';
import { fetchArtifact } from './fetch-artifact.js';
import { fsSandboxes } from './fs-sandboxes.js';
import { listSandbox, readSandboxFile } from './sandbox-files.js';
import { throughProgram } from './unpack-stream.js';
import { MAX_ENDED_SANDBOXES, overdueSandboxes } from './sandbox-retention.js';

const LIMITS: FetchLimits = { maxBytes: 1_000_000, timeoutMs: 5_000, stallMs: 5_000 };

const NEVER = new AbortController().signal;

let root: string;
let sandbox: string;
let server: Server;
let base: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? '/';
    if (path === '/endless') {
      const more = (): void => void (response.destroyed || (response.write(Buffer.alloc(65_536)) ? setImmediate(more) : response.once('drain', more)));
      more();
    } else if (path === '/silent') response.writeHead(200).flushHeaders();
    else if (path === '/loop') response.writeHead(302, { location: '/loop' }).end();
    else if (path === '/away') response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    else if (path === '/moved') response.writeHead(301, { location: '/file.txt' }).end();
    else if (existsSync(join(root, 'served', path.split('?')[0] ?? ''))) response.end(readFileSync(join(root, 'served', path.split('?')[0] ?? '')));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ekiden-sandbox-'));
  sandbox = join(root, 'sandbox');
  for (const name of ['sandbox', 'served', 'make', 'outside']) mkdirSync(join(root, name));
  writeFileSync(join(root, 'served', 'file.txt'), 'hello');
  writeFileSync(join(root, 'outside', 'secret'), 'secret');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const fetchInto = (uri: string, change: Partial<Artifact> = {}, fileDirs: readonly string[] = [], limits = LIMITS, stop = NEVER): Promise<void> => {
  const fetcher = createFetcher({ workDir: root, limits, cacheBytes: 1_000_000, parallel: 4, fileDirs });
  return fetchArtifact(sandbox, { ...anArtifact(uri), ...change }, null, { ...fetcher, stop, tell: () => undefined });
};
const anArtifact = (uri: string): Artifact => ({ uri, extract: true, executable: false, cache: false, destPath: null, sha256: null });

/** Makes `served/<name>` with the system's tar from what `fill` puts into a directory. */
const serveTar = (name: string, fill: (dir: string) => void, ...flags: string[]): void => {
  fill(join(root, 'make'));
  execFileSync('tar', ['-C', join(root, 'make'), ...flags, '-caf', join(root, 'served', name), '.']);
};

describe('fetching', () => {
  it('puts a file under its own name, or at destPath, executable if asked for', async () => {
    await fetchInto(`${base}/moved`, { destPath: 'bin/tool', executable: true });
    await fetchInto(`${base}/file.txt`);
    expect(readFileSync(join(sandbox, 'file.txt'), 'utf8')).toBe('hello');
    expect(
      execFileSync('stat', ['-c', '%a', join(sandbox, 'bin/tool')])
        .toString()
        .trim(),
    ).toBe('755');
  });

  it.each([
    ['/nothing', 'the server answered 404'],
    ['/endless', 'more than 1000000 bytes'],
    ['/loop', 'redirects more than 5 times'],
    ['/away', 'only http and https'],
  ])('refuses %s: %s', async (path, why) => {
    await expect(fetchInto(base + path)).rejects.toThrow(why);
    await expect(fetchInto(base + path)).rejects.toThrow(`cannot fetch ${base}${path}`);
  });

  it('gives up on a server that says nothing', async () => {
    await expect(fetchInto(`${base}/silent`, {}, [], { ...LIMITS, timeoutMs: 100 })).rejects.toThrow('not complete after 100 ms');
  });

  it('refuses a destPath that leads out, directly or through a link', async () => {
    await expect(fetchInto(`${base}/file.txt`, { destPath: '../x' })).rejects.toThrow('leads out of the sandbox');
    symlinkSync(join(root, 'outside'), join(sandbox, 'link'));
    await expect(fetchInto(`${base}/file.txt`, { destPath: 'link/x' })).rejects.toThrow('leads out of the sandbox');
    await expect(fetchInto(`${base}/file.txt`, { destPath: 'link/new/x' })).rejects.toThrow('leads out of the sandbox');
    expect(readdirSync(join(root, 'outside'))).toEqual(['secret']);
  });

  it('ends when its task is stopped, also while another task waits for the same download', async () => {
    for (const cache of [false, true]) {
      const stop = new AbortController();
      const fetching = fetchInto(`${base}/silent`, { cache }, [], { ...LIMITS, timeoutMs: 1_000 }, stop.signal);
      stop.abort();
      await expect(fetching).rejects.toThrow('its task was stopped');
    }
  });

  it('writes through no link, wherever it leads', async () => {
    symlinkSync(join(root, 'outside', 'new'), join(sandbox, 'file.txt'));
    await expect(fetchInto(`${base}/file.txt`)).rejects.toThrow('is a link');
    expect(readdirSync(join(root, 'outside'))).toEqual(['secret']);
  });

  it('keeps the sandbox closed to its user until the launch', async () => {
    if (process.getuid?.() !== 0) return;
    const fetcher = createFetcher({ workDir: root, limits: LIMITS, cacheBytes: 1, parallel: 1, fileDirs: [] });
    const sandboxes = fsSandboxes(root, { ...fetcher, rotation: { maxBytes: 1_000, keep: 1 } }, true);
    const { sandbox: made } = await sandboxes.create(taskId('t1'), frameworkId('f'), 'nobody');
    await sandboxes.fetch(made, [anArtifact(`${base}/file.txt`)], 'nobody', { stop: NEVER, tell: () => undefined });
    expect([statSync(made).uid, statSync(made).mode & 0o7, statSync(join(made, 'file.txt')).uid > 0]).toEqual([0, 0, true]);
  });

  it.each([false, true])('says both digests when they differ, and leaves nothing behind (cache: %s)', async (cache) => {
    const right = createHash('sha256').update('hello').digest('hex');
    await fetchInto(`${base}/file.txt`, { cache, sha256: right, destPath: 'right' });
    expect(readFileSync(join(sandbox, 'right'), 'utf8')).toBe('hello');
    const wrong = 'ab'.repeat(32);
    await expect(fetchInto(`${base}/file.txt`, { cache, sha256: wrong })).rejects.toThrow(`its sha256 is ${right}, but the app says ${wrong}`);
    expect(existsSync(join(sandbox, 'file.txt'))).toBe(false);
  });

  it('shows nobody the password in a URI', async () => {
    await expect(fetchInto(base.replace('//', '//me:secret@') + '/nothing')).rejects.toThrow(/^cannot fetch http:\/\/\*\*\*@127\.0\.0\.1:\d+\/nothing: /);
  });

  it('reads file: only below the directories of the operator, links resolved', async () => {
    const file = join(root, 'served', 'file.txt');
    await expect(fetchInto(`file://${file}`)).rejects.toThrow('--file-fetch-dirs');
    await fetchInto(`file://${file}`, {}, [join(root, 'served')]);
    expect(readFileSync(join(sandbox, 'file.txt'), 'utf8')).toBe('hello');
    symlinkSync(join(root, 'outside', 'secret'), join(root, 'served', 'innocent'));
    await expect(fetchInto(`file://${join(root, 'served', 'innocent')}`, {}, [join(root, 'served')])).rejects.toThrow('outside the directories');
  });
});

describe('archives', () => {
  it.each(['a.tar', 'a.tar.gz', 'a.tgz', 'a.tar.bz2', 'a.tar.xz'])('unpacks %s', async (name) => {
    serveTar(name, (dir) => {
      mkdirSync(join(dir, 'app'));
      writeFileSync(join(dir, 'app', 'x'), 'x');
      symlinkSync('app/x', join(dir, 'current'));
    });
    await fetchInto(`${base}/${name}`);
    expect(readFileSync(join(sandbox, 'current'), 'utf8')).toBe('x');
  });

  it('refuses a path with .. and writes nothing', async () => {
    serveTar('evil.tar', (dir) => writeFileSync(join(dir, 'x'), 'x'), '-P', '--transform', 's,x,../../outside/x,');
    await expect(fetchInto(`${base}/evil.tar`)).rejects.toThrow('leads out of the sandbox');
    expect(readdirSync(join(root, 'outside'))).toEqual(['secret']);
    expect(readdirSync(sandbox)).toEqual(['evil.tar']);
  });

  it('refuses a link that leads out', async () => {
    serveTar('evil.tar', (dir) => symlinkSync('/etc', join(dir, 'etc')));
    await expect(fetchInto(`${base}/evil.tar`)).rejects.toThrow('link to "/etc"');
  });

  /** Zips `entries` with Python, which knows how to write a link: [name, content, is it a link]. */
  const serveZip = (name: string, entries: readonly (readonly [string, string, boolean])[]): void => {
    const script = `import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1], 'w')
for name, content, link in json.loads(sys.argv[2]):
    i = zipfile.ZipInfo(name); i.create_system = 3; i.external_attr = (0o120777 if link else 0o100644) << 16; z.writestr(i, content)
z.close()`;
    execFileSync('python3', ['-c', script, join(root, 'served', name), JSON.stringify(entries)]);
  };

  it('unpacks a zip, with the links in it', async () => {
    serveZip('a.zip', [
      ['app/x', 'x', false],
      ['app/y', 'x', true],
      ['app/up', '../app/y', true],
    ]);
    await fetchInto(`${base}/a.zip`);
    expect(readFileSync(join(sandbox, 'app', 'up'), 'utf8')).toBe('x');
  });

  it('refuses a link in a zip that leads out from where it really is', async () => {
    serveZip('evil.zip', [
      ['a/b/top', '../..', true],
      ['a/b/top/stdout', '../../outside/new', true],
    ]);
    await expect(fetchInto(`${base}/evil.zip`)).rejects.toThrow('leads out of the sandbox');
    expect(existsSync(join(sandbox, 'stdout'))).toBe(false);
  });

  it('refuses what is not an archive in spite of its name', async () => {
    writeFileSync(join(root, 'served', 'b.tar.gz'), 'no archive');
    await expect(fetchInto(`${base}/b.tar.gz`)).rejects.toThrow('cannot fetch');
  });

  it('refuses one that unpacks to too much, before it is read to its end', async () => {
    serveTar('a.tar', (dir) => writeFileSync(join(dir, 'x'), 'x'));
    const tar = readFileSync(join(root, 'served', 'a.tar'));
    const file = join(root, 'served', 'bomb.tar.gz');
    writeFileSync(file, gzipSync(Buffer.concat([tar, Buffer.alloc(1_000_000)])));
    await expect(extractArchive(file, sandbox, { ...EXTRACT_LIMITS, maxBytes: 100_000 })).rejects.toThrow('more than 100000 bytes');
    expect(readdirSync(sandbox)).toEqual([]);
  });

  it('refuses one that is too small for what is in it', async () => {
    const file = join(root, 'served', 'zeros.gz');
    writeFileSync(file, gzipSync(Buffer.alloc(2_000_000)));
    const bound = statSync(file).size * EXTRACT_LIMITS.maxRatio;
    await expect(extractArchive(file, sandbox, { ...EXTRACT_LIMITS, freeRatioBytes: 1_000 })).rejects.toThrow(`more than ${bound} bytes`);
    await extractArchive(file, sandbox);
    expect(statSync(join(sandbox, 'zeros')).size).toBe(2_000_000);
  });

  it('refuses one of too many entries before it has read them all', async () => {
    const header = readFileSync(aTar('x')).subarray(0, 512);
    const file = join(root, 'served', 'many.tar');
    writeFileSync(file, Buffer.alloc(header.length * 1_001, header));
    await expect(extractArchive(file, sandbox, { ...EXTRACT_LIMITS, maxEntries: 1_000 })).rejects.toThrow('more than 1000 entries');
    expect(readdirSync(sandbox)).toEqual([]);
  });

  /** A tar with one empty file of that name. */
  const aTar = (name: string): string => {
    writeFileSync(join(root, 'make', name), '');
    execFileSync('tar', ['-C', join(root, 'make'), '-cf', join(root, `${name}.tar`), name]);
    return join(root, `${name}.tar`);
  };

  it('takes setuid and setgid away', async () => {
    serveTar('a.tar', (dir) => {
      mkdirSync(join(dir, 'bin'));
      writeFileSync(join(dir, 'bin', 'su'), '');
      chmodSync(join(dir, 'bin', 'su'), 0o6755);
      chmodSync(join(dir, 'bin'), 0o3777);
    });
    await fetchInto(`${base}/a.tar`);
    expect(['bin', 'bin/su'].map((path) => statSync(join(sandbox, path)).mode & 0o7000)).toEqual([0, 0]);
  });

  it('refuses a device, and a hard link that leads out', async () => {
    serveTar('fifo.tar', (dir) => execFileSync('mkfifo', [join(dir, 'pipe')]));
    await expect(fetchInto(`${base}/fifo.tar`)).rejects.toThrow('only files, directories and links');
    rmSync(join(root, 'make', 'pipe'));
    const link = (dir: string): void => (writeFileSync(join(dir, 'a'), 'a'), linkSync(join(dir, 'a'), join(dir, 'b')));
    serveTar('evil.tar', link, '-P', '--transform', 's,^\\./[ab]$,../../outside/secret,RSh');
    await expect(fetchInto(`${base}/evil.tar`)).rejects.toThrow('leads out of the sandbox');
    expect(readdirSync(sandbox).sort()).toEqual(['evil.tar', 'fifo.tar']);
  });

  it('unpacks nothing through a link that an earlier archive has brought', async () => {
    serveTar('first.tar', (dir) => (mkdirSync(join(dir, 'real')), symlinkSync('real', join(dir, 'here'))));
    await fetchInto(`${base}/first.tar`);
    for (const name of ['real', 'here']) rmSync(join(root, 'make', name), { recursive: true });
    serveTar('second.tar', (dir) => (mkdirSync(join(dir, 'here')), writeFileSync(join(dir, 'here', 'x'), 'x')));
    await fetchInto(`${base}/second.tar`).catch(() => undefined);
    expect(readdirSync(join(sandbox, 'real'))).toEqual([]);
  });

  it('says what is missing where a format cannot be unpacked', async () => {
    const program = { name: 'no-such-program', args: ['-dc'], debianPackage: 'xz-utils' };
    const read = async (): Promise<void> => {
      for await (const _chunk of throughProgram(program, join(root, 'served', 'file.txt'), 100)) continue;
    };
    await expect(read()).rejects.toThrow('no-such-program is not installed on this machine: install the package xz-utils, or use .tar.gz');
  });

  it('refuses half of a compressed file', async () => {
    serveTar('a.tar.xz', (dir) => writeFileSync(join(dir, 'x'), 'x'));
    const file = join(root, 'served', 'a.tar.xz');
    writeFileSync(file, readFileSync(file).subarray(0, -20));
    await expect(extractArchive(file, sandbox)).rejects.toThrow('xz cannot read it');
  });

  it('judges links by where they really lead', () => {
    expect(judgeEntry('a/b/l', 'SymbolicLink', '../../c')).toBeNull();
    expect(judgeEntry('a/l', 'SymbolicLink', '../../c')).toContain('leads out');
    expect(judgeEntry('l', 'SymbolicLink', 'p/q/a/../../..')).toContain('leads out'); // p/q/a may be a link itself
    expect(judgeEntry('a/l', 'Link', '../x')).toContain('leads out');
    expect(judgeEntry('dev', 'CharacterDevice', null)).toContain('only files');
  });
});

describe('files over HTTP', () => {
  beforeEach(() => {
    writeFileSync(join(sandbox, 'stdout'), '0123456789');
    mkdirSync(join(sandbox, 'dir'));
    writeFileSync(join(sandbox, 'dir', 'x'), 'x');
    symlinkSync(join(root, 'outside'), join(sandbox, 'link'));
    symlinkSync('stdout', join(sandbox, 'inner'));
  });

  it('are read by offset, also from the end, and beyond it', async () => {
    expect(await readSandboxFile(sandbox, 'stdout', 3, 4)).toMatchObject({ size: 10, offset: 3, bytes: Buffer.from('3456') });
    expect(await readSandboxFile(sandbox, 'stdout', -2, 100)).toMatchObject({ offset: 8, bytes: Buffer.from('89') });
    expect(await readSandboxFile(sandbox, 'stdout', 50, 100)).toMatchObject({ size: 10, bytes: Buffer.alloc(0) });
    expect(await readSandboxFile(sandbox, 'inner', 0, 1)).toMatchObject({ bytes: Buffer.from('0') });
  });

  it.each(['../outside/secret', 'link/secret', '/etc/passwd', 'dir', 'nothing', 'stdout/x', 'a\0b'])('%j is not there', async (path) => {
    expect(await readSandboxFile(sandbox, path, 0, 100)).toBeNull();
  });

  it.each(['.docker/config.json', 'dir/../.docker/config.json', '.dockercfg', 'to-login'])('%s holds logins, and is refused', async (path) => {
    mkdirSync(join(sandbox, '.docker'), { recursive: true });
    writeFileSync(join(sandbox, '.docker/config.json'), '{}');
    writeFileSync(join(sandbox, '.dockercfg'), '{}');
    if (path === 'to-login') symlinkSync('.dockercfg', join(sandbox, path));
    const read = readSandboxFile(sandbox, path, 0, 100);
    await (path.includes('..') ? expect(read).resolves.toBeNull() : expect(read).rejects.toThrow('holds logins to registries'));
  });

  it('a fifo is not waited for', async () => {
    execFileSync('mkfifo', [join(sandbox, 'fifo')]);
    expect(await readSandboxFile(sandbox, 'fifo', 0, 100)).toBeNull();
  });

  it('are listed, links not followed', async () => {
    expect((await listSandbox(sandbox, ''))?.map(({ path, kind }) => [path, kind])).toEqual([
      ['dir', 'directory'],
      ['inner', 'other'],
      ['link', 'other'],
      ['stdout', 'file'],
    ]);
    expect(await listSandbox(sandbox, 'link')).toBeNull();
    expect((await listSandbox(sandbox, 'dir'))?.map(({ path }) => path)).toEqual(['dir/x']);
  });
});

describe('retention', () => {
  const ended = (count: number): { name: string; endedAt: number }[] => Array.from({ length: count }, (_, at) => ({ name: `t${at}`, endedAt: at }));

  it('keeps less as the disk fills, and never more than a number', () => {
    expect(overdueSandboxes(ended(10), 10, 10, 0).map(({ name }) => name)).toEqual(['t0', 't1']);
    expect(overdueSandboxes(ended(10), 10, 10, 0.9)).toHaveLength(10);
    expect(overdueSandboxes(ended(MAX_ENDED_SANDBOXES + 3), 0, 1e9, 0).map(({ name }) => name)).toEqual(['t0', 't1', 't2']);
  });
});
