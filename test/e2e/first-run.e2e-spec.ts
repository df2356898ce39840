/**
 * `npm start` as a person meets it: one ready line, Ctrl-C, the same apps at the next start, two side by side, and one clear
 * line when it cannot start.
 */
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ekiden, eventually } from './ekiden.js';

const TIMEOUT_MS = 180_000;
const APPS = ['/back/one', '/back/two'];
const INSTANCES = 2;

/** One Ekiden through the file, stopped and started; every test leaves it running. */
let ekiden: Ekiden;
const others: Ekiden[] = [];
const dir = mkdtempSync(join(tmpdir(), 'ekiden-e2e-'));

beforeAll(async () => void (ekiden = await Ekiden.start()), TIMEOUT_MS);
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  const ends = await Promise.allSettled([ekiden, ...others].map((one) => one?.end()));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}, TIMEOUT_MS);

const app = (id: string): { id: string } & Record<string, unknown> => ({
  id,
  cmd: 'exec sleep 1000',
  cpus: 0.05,
  mem: 16,
  instances: INSTANCES,
  portDefinitions: [{ port: 0 }],
});

/** Every app runs as it should, and the machine agrees. */
const allRun = (): Promise<void> =>
  eventually('every app runs', async () => {
    const recorded = (await ekiden.get('/v2/tasks?status=running')).body.tasks.map(({ id }: { id: string }) => id);
    const running = ekiden.taskProcesses().map(({ taskId }) => taskId);
    return running.length === APPS.length * INSTANCES && JSON.stringify(running.sort()) === JSON.stringify(recorded.sort());
  });

const taskPids = (): number[] => ekiden.taskProcesses().map(({ pid }) => pid);

/** A refusal is for people: what it is, in one line among few, and no stack. */
function expectOneLine(out: string, what: RegExp): void {
  const lines = out.trim().split('\n');
  expect(lines.filter((line) => what.test(line))).toHaveLength(1);
  expect(lines.filter((line) => !line.includes('building (once')).length).toBeLessThanOrEqual(3);
  expect(out).not.toMatch(/^\s+at /m);
}

it(
  'says where it is, stops on Ctrl-C without a trace, and brings every app back at the next start',
  async () => {
    for (const port of [ekiden.apiPort, ekiden.masterPort, ekiden.agentPort]) expect(ekiden.output).toContain(`http://127.0.0.1:${port}`);
    for (const id of APPS) await ekiden.deploy(app(id));
    const before = taskPids();

    expect(await ekiden.interrupt()).toBe(0);
    expect(ekiden.ownProcesses()).toEqual([]);
    expect(existsSync(join(ekiden.dataDir, 'lock'))).toBe(false);

    await ekiden.startUp(['--keep-tasks']);
    await allRun();
    expect(taskPids().filter((pid) => before.includes(pid))).toEqual([]);
    // An orderly end is no failure of the app: nothing to show, no back-off.
    expect((await ekiden.get('/v2/apps//back/one?embed=app.lastTaskFailure')).body.app.lastTaskFailure).toBeUndefined();
  },
  TIMEOUT_MS,
);

it(
  'leaves the tasks running with --keep-tasks, and finds them again',
  async () => {
    const before = taskPids();
    expect(await ekiden.interrupt()).toBe(0);
    expect(taskPids()).toEqual(before);
    expect(ekiden.parts('postgres')).toEqual([]);
    await ekiden.startUp();
    await allRun();
    expect(taskPids()).toEqual(before);
  },
  TIMEOUT_MS,
);

it(
  'runs twice side by side, each with apps and ports of its own',
  async () => {
    const before = taskPids();
    const second = await Ekiden.start();
    others.push(second);
    await second.deploy(app('/back/one'));
    const ports = async (one: Ekiden): Promise<number[]> => (await one.tasks('/back/one')).flatMap((task) => task.ports);
    expect(new Set([...(await ports(ekiden)), ...(await ports(second))]).size).toBe(2 * INSTANCES);
    expect(await second.interrupt()).toBe(0);
    expect(taskPids()).toEqual(before);
    await allRun();
  },
  TIMEOUT_MS,
);

it(
  'refuses a second start on the same data, and names the process',
  async () => {
    const { code, out } = await ekiden.refusedUp();
    expect(code).toBe(1);
    expectOneLine(out, new RegExp(`already running: process ${ekiden.pid}`));
    await allRun();
  },
  TIMEOUT_MS,
);

describe('while nothing runs', () => {
  beforeAll(async () => void (await ekiden.interrupt()), TIMEOUT_MS);
  afterEach(() => {
    expect(ekiden.ownProcesses()).toEqual([]);
    expect(existsSync(join(ekiden.dataDir, 'lock'))).toBe(false);
  });

  it(
    'refuses a port in use, and names the option',
    async () => {
      const other = await new Promise<Server>((resolve) => {
        const server = createServer().listen(ekiden.masterPort, '127.0.0.1', () => resolve(server));
      });
      try {
        const { code, out } = await ekiden.refusedUp();
        expect(code).toBe(1);
        expectOneLine(out, new RegExp(`port ${ekiden.masterPort} on 127.0.0.1 is in use`));
        expect(out).toContain('--master-port');
      } finally {
        await new Promise((resolve) => other.close(resolve));
      }
    },
    TIMEOUT_MS,
  );

  it(
    'refuses a damaged data directory, and a database that another version wrote',
    async () => {
      const file = join(ekiden.dataDir, 'postgres/PG_VERSION');
      renameSync(file, `${file}.away`);
      try {
        const lost = await ekiden.refusedUp();
        expect(lost.code).toBe(1);
        expectOneLine(lost.out, /the data directory is damaged: .*no PG_VERSION/);
        writeFileSync(file, '9.6\n');
        const foreign = await ekiden.refusedUp();
        expect(foreign.code).toBe(1);
        expectOneLine(foreign.out, /was written by PostgreSQL 9\.6/);
      } finally {
        renameSync(`${file}.away`, file);
      }
    },
    TIMEOUT_MS,
  );

  it(
    'refuses a file in place of the data directory, and an option that does not exist',
    async () => {
      writeFileSync(join(dir, 'file'), '');
      const file = await ekiden.refusedUp(['--data-dir', join(dir, 'file')]);
      expect(file.code).toBe(1);
      expectOneLine(file.out, /is a file, not a directory/);
      const option = await ekiden.refusedUp(['--data-dir', join(dir, 'fresh'), '--agens', '2']);
      expect(option.code).toBeGreaterThan(0);
      expectOneLine(option.out, /--agens/);
      expect(existsSync(join(dir, 'fresh'))).toBe(false);
    },
    TIMEOUT_MS,
  );
});

it(
  'has lost nothing by all that',
  async () => {
    await ekiden.startUp();
    await allRun();
  },
  TIMEOUT_MS,
);
