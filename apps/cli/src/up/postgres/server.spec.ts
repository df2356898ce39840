import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBinaries } from './binaries.js';
import { ensureCluster } from './cluster.js';
import { askServer } from './database.js';
import { parsePostmaster, processesIn } from './postmaster-pid.js';
import { decideRunAs, pickAccount, setprivPrefix } from './run-as.js';
import { serverArguments } from './server-settings.js';
import { startServer, type EmbeddedServer, type ServerOptions } from './server.js';

const passwords = { admin: 'a dmin/%', role: 'r:ole@' };

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

describe('the embedded server', () => {
  const base = mkdtempSync(join(tmpdir(), 'ekiden-pg-'));
  const runAs = decideRunAs(findBinaries(process.cwd()), join(base, 'postgres'));
  const lines: string[] = [];
  const servers: EmbeddedServer[] = [];
  const start = async (): Promise<EmbeddedServer> => {
    const options: ServerOptions = { runAs, passwords, logFile: join(base, 'postgres.log'), port: await freePort(), tell: (line) => lines.push(line) };
    const server = await startServer(options);
    servers.push(server);
    return server;
  };
  const until = async (condition: () => Promise<boolean> | boolean): Promise<void> => {
    while (!(await condition())) await sleep(20);
  };

  afterAll(async () => {
    for (const server of servers) await server.stop('now');
    rmSync(base, { recursive: true, force: true });
  });

  it('starts, comes back after SIGKILL, is adopted by the next start, and stops without a trace', async () => {
    ensureCluster(runAs, passwords.admin);
    const first = await start();
    expect(first.adopted).toBe(false);
    expect(await askServer(first.port, runAs.directory, { ...passwords, admin: 'wrong' })).toMatchObject({ kind: 'no' });

    const before = first.pid;
    process.kill(before, 'SIGKILL');
    await until(() => first.pid !== before);
    await until(async () => (await askServer(first.port, runAs.directory, passwords)).kind === 'ours');

    const second = await start();
    expect([second.adopted, second.pid, second.port]).toEqual([true, first.pid, first.port]);

    for (const server of servers) await server.stop('fast');
    expect(processesIn(runAs.directory)).toEqual([]);
  }, 60_000);

  it('asks and ends no stranger who has the pid and port that a server once had', async () => {
    const stranger = spawn('sleep', ['60'], { cwd: '/', ...runAs.account });
    let asked = 0;
    const listener = createServer((socket) => void (asked++, socket.destroy()));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const address = listener.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    writeFileSync(join(runAs.directory, 'postmaster.pid'), `${stranger.pid}\n${runAs.directory}\n1\n${port}\n\n127.0.0.1\n`);
    const server = await start();
    expect([server.adopted, asked, server.port === port]).toEqual([false, 0, false]);
    await server.stop('fast');
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    stranger.kill('SIGKILL');
    listener.close();
  }, 60_000);

  it('sees the processes of a directory that is named by a link', () => {
    const link = join(base, 'link');
    symlinkSync(base, link);
    const child = spawn('sleep', ['60'], { cwd: base });
    expect(processesIn(link)).toContain(child.pid);
    child.kill('SIGKILL');
  });

  it('refuses data of another major version and data that is damaged', () => {
    const file = join(runAs.directory, 'PG_VERSION');
    const version = readFileSync(file, 'utf8');
    writeFileSync(file, '16\n');
    expect(() => ensureCluster(runAs, 'x')).toThrow('was written by PostgreSQL 16');
    rmSync(file);
    expect(() => ensureCluster(runAs, 'x')).toThrow('is damaged');
    writeFileSync(file, version);
  });
});

describe('how the server is run', () => {
  it('takes a user that is not root', () => {
    expect(pickAccount('root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n')).toEqual({ uid: 65534, gid: 65534 });
    expect(pickAccount('root:x:0:0::/root:/bin/sh\npostgres:x:0:0::/:/bin/false\n')).toBeNull();
  });

  it('gives it the one capability that walks through a directory of root', () => {
    expect(setprivPrefix({ uid: 5, gid: 6 }, true).join(' ')).toBe(
      'setpriv --reuid=5 --regid=6 --clear-groups --securebits=+no_setuid_fixup --inh-caps=+dac_read_search --ambient-caps=+dac_read_search',
    );
  });

  it('listens on loopback only and is durable', () => {
    const line = serverArguments('/d', 5).join(' ');
    expect(line).toContain('-D /d -p 5 ');
    expect(line).toContain('listen_addresses=127.0.0.1');
    expect(line).toContain('fsync=on');
  });

  it('reads pid and port of a running server', () => {
    expect(parsePostmaster('12\n/d\n17\n5433\n\n127.0.0.1\n')).toEqual({ pid: 12, port: 5433, startedAt: 17 });
    expect(parsePostmaster('12\n/d\n')).toBeNull();
  });
});
