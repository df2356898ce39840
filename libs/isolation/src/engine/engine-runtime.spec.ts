/** The engine runtime against an engine that loses answers, cuts connections and goes away: what is launched, told and left behind. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { taskId } from '@ekiden/model';
import { type FakeEngine, startFakeEngine } from '../../test/fake-engine.js';
import { silentLog, until } from '../../test/real-tasks.js';
import type { LaunchSpec, SettledRecovery, TaskExit } from '../runtime.js';
import { ENGINE_JOURNAL, appendLine, containerName } from './engine-journal.js';
import { type EngineRuntime, createEngineRuntime } from './engine-runtime.js';
import { abilitiesOfEngine } from './probe-engine.js';

let engine: FakeEngine;
let dir: string;
let runtime: EngineRuntime;
let spec: LaunchSpec;
let name: string;

const open = (): EngineRuntime =>
  createEngineRuntime({ engine: () => ({ socket: engine.socket, abilities: abilitiesOfEngine({}) }), instance: 'test', log: silentLog });

beforeEach(async () => {
  engine = await startFakeEngine();
  dir = mkdtempSync(join(tmpdir(), 'ekiden-engine-runtime-'));
  runtime = open();
  const id = taskId('task.1');
  const config = { user: '', env: {}, entrypoint: [], cmd: [], workingDirectory: '', stopSignal: 'SIGQUIT' };
  spec = {
    taskId: id,
    sandbox: join(dir, 'sandbox'),
    runDir: join(dir, 'run'),
    command: { kind: 'argv', argv: ['/bin/true'] },
    env: {},
    user: null,
    limits: { cpusMilli: 100, memMib: 32 },
    container: { image: { digest: 'sha256:1', imageId: 'sha256:2', config }, workingDirectory: null, volumes: [] },
  };
  mkdirSync(spec.sandbox);
  mkdirSync(spec.runDir);
  name = containerName('test', id);
});
afterEach(async () => {
  runtime.close();
  await engine.close();
  rmSync(dir, { recursive: true, force: true });
});

const ended = (): Promise<TaskExit> => new Promise((resolve) => runtime.onExit(spec.taskId, resolve));
const stdout = (): string => readFileSync(join(spec.sandbox, 'stdout'), 'utf8');
const running = async (): Promise<void> => {
  expect(await runtime.launch(spec)).toMatchObject({ kind: 'started' });
  await until('the engine to be listened to', () => engine.containers.get(name)?.status === 'running');
};
/** As if the agent had been killed. */
const nextAgent = (): void => {
  runtime.close();
  runtime = open();
};

it('launches once, whichever answer is lost on the way', async () => {
  engine.fault('POST', '/create', { kind: 'cut-after' });
  engine.fault('POST', '/start', { kind: 'cut-after' });
  engine.fault('GET', '/json', { kind: 'cut-before' });
  engine.fault('GET', '/version', { kind: 'half' });
  await running();
  expect([...engine.containers.values()].map(({ starts }) => starts)).toEqual([1]);
});

it('fails with the engine’s reason, and leaves no container', async () => {
  engine.fault('POST', '/start', { kind: 'refuse', status: 500, message: 'port is already allocated' });
  expect(await runtime.launch(spec)).toEqual({ kind: 'failed', reason: 'port is already allocated' });
  expect(engine.containers.size).toBe(0);
  expect(runtime.has(spec.taskId)).toBe(false);
});

it('refuses more than the engine gives', async () => {
  const weak = createEngineRuntime({
    engine: () => ({ socket: engine.socket, abilities: abilitiesOfEngine({ PidsLimit: false }) }),
    instance: 'test',
    log: silentLog,
  });
  expect(await weak.launch({ ...spec, limits: { ...spec.limits, pids: 5 } })).toEqual({
    kind: 'failed',
    reason: expect.stringContaining('a limit of processes'),
  });
  weak.close();
});

it('tells an end once its output is whole and the container is gone from the engine, or will be', async () => {
  await running();
  engine.print(name, 'stdout', 'one\n');
  engine.print(name, 'stderr', 'oops\n');
  engine.exit(name, 3);
  expect(await ended()).toMatchObject({ code: 3, lost: null });
  expect(stdout()).toBe('one\n');
  expect(readFileSync(join(spec.sandbox, 'stderr'), 'utf8')).toBe('oops\n');
  engine.fault('DELETE', name, { kind: 'cut-before' });
  await runtime.forget(spec.taskId, spec.runDir).catch(() => runtime.forget(spec.taskId, spec.runDir));
  expect(engine.containers.size).toBe(0);
});

it('writes each line once though its connections are cut, and the agent is exchanged', async () => {
  await running();
  const lines = Array.from({ length: 40 }, (_, index) => `line ${index}\n`);
  for (const [index, line] of lines.entries()) {
    engine.print(name, 'stdout', line);
    if (index % 10 === 3) engine.cutStreams();
    if (index === 20) {
      nextAgent();
      await runtime.recover(spec.taskId, spec.runDir);
    }
    if (index === 30) await until('the log to come', () => stdout().includes('line 30\n'));
  }
  engine.exit(name, 0);
  expect(await ended()).toMatchObject({ code: 0 });
  expect(stdout()).toBe(lines.join(''));
});

it('tells nothing while the engine is away, and what happened meanwhile afterwards', async () => {
  await running();
  let told: TaskExit | null = null;
  runtime.onExit(spec.taskId, (exit) => (told = exit));
  await engine.stop();
  engine.exit(name, 7);
  runtime.terminate(spec.taskId);
  expect(told).toBeNull();
  await engine.start();
  await until('the end to be told', () => told !== null);
  expect(told).toMatchObject({ code: 7, lost: null });
});

it('sends a signal again that the engine did not hear, and the image’s own first', async () => {
  await running();
  runtime.terminate(spec.taskId);
  await until('the signal', () => engine.containers.get(name)?.signals.includes('3') === true);
  engine.fault('POST', '/kill', { kind: 'cut-before' });
  const end = ended();
  runtime.kill(spec.taskId);
  expect(await end).toMatchObject({ signal: 'SIGKILL', lost: null });
});

it('changes limits while it runs, also when an answer is lost, and refuses less memory than it holds', async () => {
  await running();
  engine.fault('POST', '/update', { kind: 'cut-after' });
  expect(await runtime.resize?.(spec.taskId, { cpusMilli: 500, memMib: 64 })).toEqual({ kind: 'resized' });
  const size = { CpuShares: 512, CpuPeriod: 100_000, CpuQuota: 50_000, Memory: 64 * 1024 * 1024, MemorySwap: 64 * 1024 * 1024 };
  expect(engine.containers.get(name)?.updates).toEqual([size, size]);
  expect(await runtime.resize?.(spec.taskId, { cpusMilli: 500, memMib: 48 })).toEqual({
    kind: 'refused',
    reason: expect.stringContaining('it holds 50 MiB of memory'),
  });
  engine.fault('POST', '/update', { kind: 'refuse', status: 500, message: 'device or resource busy' });
  expect(await runtime.resize?.(spec.taskId, { cpusMilli: 500, memMib: 56 })).toEqual({ kind: 'refused', reason: 'device or resource busy' });
  expect(engine.containers.get(name)?.updates).toHaveLength(2);
  engine.exit(name, 0);
  await ended();
  expect(await runtime.resize?.(spec.taskId, { cpusMilli: 500, memMib: 64 })).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('does not run'),
  });
});

it('lets a command wait for an engine that is being restarted', async () => {
  await running();
  await engine.stop();
  const asked = runtime.exec({ ...spec, argv: ['/bin/true'], io: 'none' });
  asked.catch(() => undefined);
  await engine.start();
  // It has been asked, and this one knows no commands.
  await expect(asked).rejects.toThrow('page not found');
});

describe('after an agent that was killed', () => {
  const asked = (): void =>
    appendLine(spec.runDir, { kind: 'asked', container: name, socket: engine.socket, sandbox: spec.sandbox, stopSignal: 15, holder: '' });

  it('nothing was started of which no start was asked, though the engine is away', async () => {
    asked();
    await engine.stop();
    expect(await runtime.recover(spec.taskId, spec.runDir)).toEqual({ kind: 'never-started' });
  });

  it('one that was made and not started never will be', async () => {
    await running();
    const container = engine.containers.get(name);
    if (container !== undefined) container.status = 'created';
    nextAgent();
    expect(await runtime.recover(spec.taskId, spec.runDir)).toEqual({ kind: 'never-started' });
    expect(engine.containers.size).toBe(0);
    // Also when the agent after that one asks again.
    nextAgent();
    expect(await runtime.recover(spec.taskId, spec.runDir)).toEqual({ kind: 'never-started' });
  });

  it('one that has ended says how, again and again', async () => {
    await running();
    engine.print(name, 'stdout', 'bye\n');
    nextAgent();
    engine.exit(name, 42);
    expect(await runtime.recover(spec.taskId, spec.runDir)).toMatchObject({ kind: 'exited', exit: { code: 42 } });
    await until('the container to be removed', () => engine.containers.size === 0);
    nextAgent();
    expect(await runtime.recover(spec.taskId, spec.runDir)).toMatchObject({ kind: 'exited', exit: { code: 42 } });
    expect(stdout()).toBe('bye\n');
  });

  it('one that runs is watched again, though the engine is away', async () => {
    await running();
    nextAgent();
    await engine.stop();
    expect(await runtime.recover(spec.taskId, spec.runDir)).toMatchObject({ kind: 'running' });
    await engine.start();
    engine.exit(name, 5);
    expect(await ended()).toMatchObject({ code: 5 });
  });

  describe('between the question to start and the answer, while the engine is away', () => {
    const undecided = async (): Promise<{ readonly settled: Promise<SettledRecovery> }> => {
      nextAgent();
      asked();
      appendLine(spec.runDir, { kind: 'starting' });
      await engine.stop();
      const found = await runtime.recover(spec.taskId, spec.runDir);
      if (found.kind !== 'undecided') throw new Error(`it is ${found.kind}`);
      return found;
    };
    const made = async (): Promise<void> => {
      await running();
      runtime.close();
      rmSync(join(spec.runDir, ENGINE_JOURNAL));
    };

    it('it is undecided, and runs once the engine says so, with the kill that was asked for meanwhile', async () => {
      await made();
      const { settled } = await undecided();
      runtime.kill(spec.taskId);
      // A sweep leaves it alone.
      await engine.start();
      expect(await runtime.sweep(new Set())).toBe(0);
      expect(await settled).toMatchObject({ kind: 'running' });
      expect(await ended()).toMatchObject({ signal: 'SIGKILL', lost: null });
    });

    it('it was never started if the engine says so, and never will be', async () => {
      await made();
      const container = engine.containers.get(name);
      if (container !== undefined) container.status = 'created';
      const { settled } = await undecided();
      await engine.start();
      expect(await settled).toEqual({ kind: 'never-started' });
      expect(engine.containers.size).toBe(0);
      expect(runtime.has(spec.taskId)).toBe(false);
    });

    it('it has ended if the engine says so, and an agent that ends before leaves it to the next', async () => {
      await made();
      await undecided();
      engine.exit(name, 9);
      runtime.close();
      await engine.start();
      runtime = open();
      expect(await runtime.recover(spec.taskId, spec.runDir)).toMatchObject({ kind: 'exited', exit: { code: 9 } });
    });
  });

  it('what nobody knows is removed, and nothing else', async () => {
    await running();
    nextAgent();
    expect(await runtime.sweep(new Set([spec.taskId]))).toBe(0);
    expect(await runtime.sweep(new Set())).toBe(1);
    expect(engine.containers.size).toBe(0);
  });
});
