/**
 * Commands in containers beside their program (an operator's, or a health check), through the engine's exec.
 *
 * The engine gives them the container's user, rights, environment and limits, and knows how they end; it cannot end them. So each carries
 * its name in its environment, and whoever has it is killed by us: at its own end what it has started, at a kill all of it. Where the
 * engine's processes are not on this machine, or not ours to signal, a kill lets go of the command instead.
 */
import { randomBytes } from 'node:crypto';
import { PassThrough, type Duplex } from 'node:stream';
import { type Log, type TaskId, taskId } from '@ekiden/model';
import { ENTRY_PREFIX, MARKER, endLeftProcesses } from '../entry-groups.js';
import { listProcesses, readEnviron, signalProcess } from '../proc.js';
import { refuseArgv } from '../plan-entry.js';
import { createReaper } from '../reaper.js';
import { reasonOf } from '../reason-of.js';
import type { ExecSpec, ProcessEnd, TaskProcess, TerminalSize } from '../runtime.js';
import { createBackOff } from './back-off.js';
import { EngineAway, type EngineClient, fieldIn, textIn } from './engine-client.js';
import { readFrames } from './log-frames.js';

export interface EngineEntries {
  /** Rejects with the reason when it cannot be started. */
  start(spec: ExecSpec, client: EngineClient, container: string): Promise<TaskProcess>;
  /** The first time, kills what an agent before this one has left; answers how many processes. */
  endLeft(): number;
  /** Kills all at once, without waiting. */
  close(): void;
}

interface Entry {
  /** By which the reaper tells them apart. */
  readonly taskId: TaskId;
  readonly mark: string;
  /** Set when it has to go; told when nobody is left. */
  gone: (() => void) | null;
}

const LIFE_BYTES = 6;
/** How long a command waits for an engine that is away. */
const ENTRY_WAIT_MS = 10_000;
/** Its own end is seen when its output closes; something that it has left behind may hold that open. */
const LOOK_EVERY_MS = 1_000;
/** Between the end of the output and that of the command, as the engine tells it. */
const END_PAUSE_MS = 20;
const MAX_END_LOOKS = 500;
const RESIZE_PAUSE_MS = 50;
const MAX_RESIZE_FAILURES = 20;

export function createEngineEntries(instance: string, log: Log): EngineEntries {
  /** A name of its own: the host runtime's first sweep ends what is not its own of its instance. */
  const family = `${instance}-engine`;
  const life = randomBytes(LIFE_BYTES).toString('hex');
  const entries = new Set<Entry>();
  let count = 0;
  let isFirstSweep = true;
  const reap = createReaper<Entry>(
    {
      remaining(all) {
        const processes = listProcesses().map(({ pid }) => ({ pid, environ: readEnviron(pid) }));
        return new Map(all.map(({ taskId: id, mark }) => [id, processes.filter(({ environ }) => environ.includes(mark)).map(({ pid }) => pid)]));
      },
      kill: (_, left) => left.forEach((pid) => signalProcess(pid, 'SIGKILL')),
    },
    log,
    (entry) => entry.gone?.(),
  );

  async function start(spec: ExecSpec, client: EngineClient, container: string): Promise<TaskProcess> {
    const reason = refuseArgv(spec);
    if (reason !== null) throw new Error(reason);
    count += 1;
    const name = `${ENTRY_PREFIX}${life}-${count}`;
    const terminal = typeof spec.io === 'string' ? null : spec.io;
    const mark = `${MARKER}=${family}.${name}`;
    const body = {
      Cmd: spec.argv,
      Env: [mark, ...(terminal === null ? [] : [`TERM=${terminal.type}`])],
      Tty: terminal !== null,
      ...consoleSize(terminal),
      AttachStdin: spec.io !== 'none',
      AttachStdout: true,
      AttachStderr: true,
    };
    const id = textIn(await patiently(() => client.call('POST', `/containers/${container}/exec`, { body })), 'Id');
    const { socket, head } = await client.hijack(`/exec/${id}/start`, { Detach: false, Tty: terminal !== null, ...consoleSize(terminal) });
    const entry: Entry = { taskId: taskId(name), mark, gone: null };
    entries.add(entry);
    return attend({ entry, id, client, socket, head, spec });
  }

  interface Attended {
    readonly entry: Entry;
    readonly id: string;
    readonly client: EngineClient;
    readonly socket: Duplex;
    readonly head: Buffer;
    readonly spec: ExecSpec;
  }

  function attend({ entry, id, client, socket, head, spec }: Attended): TaskProcess {
    const hasTerminal = typeof spec.io !== 'string';
    const output = new PassThrough();
    const errors = new PassThrough();
    if (spec.io === 'none') for (const stream of [output, errors]) stream.resume();
    const closed = deliver(socket, head, hasTerminal ? null : errors, output);
    let wasKilled = false;
    const ended = ending().finally(() => {
      entries.delete(entry);
      socket.destroy();
    });

    /** Its own end first, then whatever it has started is ended; only then its output is sure to close. */
    async function ending(): Promise<ProcessEnd> {
      const end = await ownEnd();
      await new Promise<void>((resolve) => {
        entry.gone = resolve;
        reap(entry);
      });
      return end;
    }

    async function ownEnd(): Promise<ProcessEnd> {
      for (let looks = 0; ; looks += 1) {
        const isOpen = await Promise.race([closed.then(() => false), pause(LOOK_EVERY_MS).then(() => true)]);
        try {
          const found = await client.call('GET', `/exec/${id}/json`);
          // One that is only being started does not run either, and has no code.
          const code = fieldIn(found, 'ExitCode');
          if (fieldIn(found, 'Running') === false && typeof code === 'number') return { code, signal: null };
        } catch (error) {
          log.debug('exec-not-seen', { taskId: spec.taskId, why: reasonOf(error) });
          if (!isOpen) return { code: null, signal: 'SIGKILL' };
        }
        // It may have begun only after the first round.
        if (wasKilled) reap(entry);
        if (isOpen) continue;
        if (looks > MAX_END_LOOKS) return { code: null, signal: wasKilled ? 'SIGKILL' : null };
        await pause(END_PAUSE_MS);
      }
    }

    return {
      input: spec.io === 'none' ? null : socket,
      output: spec.io === 'none' ? null : output,
      errors: spec.io === 'none' || hasTerminal ? null : errors,
      resize: hasTerminal ? createResizer(client, id, spec.io, log, () => entries.has(entry)) : () => undefined,
      kill() {
        wasKilled = true;
        // Nobody of it is to be found here: then it is let go of.
        entry.gone ??= () => socket.destroy();
        reap(entry);
      },
      ended,
    };
  }

  return {
    start,
    endLeft() {
      const isDue = isFirstSweep;
      isFirstSweep = false;
      return isDue ? endLeftProcesses(family, (name) => name.startsWith(`${ENTRY_PREFIX}${life}-`)) : 0;
    },
    close() {
      const marks = [...entries].map(({ mark }) => mark);
      if (marks.length === 0) return;
      for (const { pid } of listProcesses()) if (readEnviron(pid).some((entry) => marks.includes(entry))) signalProcess(pid, 'SIGKILL');
    },
  };
}

/** An engine that is just being restarted makes no health check fail. Asking again is harmless: what was made so is not started. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const backOff = createBackOff();
  const begun = performance.now();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof EngineAway) || performance.now() - begun > ENTRY_WAIT_MS) throw error;
      await backOff.wait();
    }
  }
}

/** Engines of API 1.42 and later begin with it; the others are told a moment later. */
const consoleSize = (terminal: TerminalSize | null): Readonly<Record<string, unknown>> =>
  terminal === null ? {} : { ConsoleSize: [terminal.rows, terminal.columns] };

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms).unref());

/** What it prints, to where it belongs. Resolves when the connection has closed. `errors` null: a terminal, whose output comes as it is. */
function deliver(socket: Duplex, head: Buffer, errors: PassThrough | null, output: PassThrough): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  const take = (chunk: Buffer): void => {
    if (errors === null) return hold(output, chunk);
    const read = readFrames(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]));
    rest = read.rest;
    for (const { stream, payload } of read.frames) hold(stream === 'stderr' ? errors : output, payload);
  };
  /** Whoever reads slowly slows the command down. */
  const hold = (to: PassThrough, bytes: Buffer): void => {
    if (to.write(bytes) || to.destroyed) return;
    socket.pause();
    to.once('drain', () => socket.resume());
  };
  // The reader may leave first.
  for (const stream of [output, ...(errors === null ? [] : [errors])]) stream.on('close', () => socket.resume()).on('error', () => undefined);
  return new Promise((resolve) => {
    const over = (): void => {
      output.end();
      errors?.end();
      resolve();
    };
    socket.on('data', (chunk: Buffer) => {
      try {
        take(chunk);
      } catch {
        socket.destroy();
      }
    });
    socket.on('end', over).on('close', over).on('error', over);
    if (head.length > 0) take(head);
  });
}

/** One at a time, the newest size last. */
function createResizer(client: EngineClient, id: string, first: TerminalSize, log: Log, isThere: () => boolean): (size: TerminalSize) => void {
  let wanted: TerminalSize | null = null;
  let isAsking = false;
  /** One that is being started has no terminal yet. */
  let failures = 0;
  const ask = (): void => {
    if (wanted === null || isAsking || !isThere()) return;
    const asked = wanted;
    wanted = null;
    isAsking = true;
    client
      .call('POST', `/exec/${id}/resize?h=${asked.rows}&w=${asked.columns}`)
      .catch(async (error: unknown) => {
        failures += 1;
        log.debug('terminal-not-resized', { why: reasonOf(error) });
        if (failures > MAX_RESIZE_FAILURES) return;
        await pause(RESIZE_PAUSE_MS);
        wanted ??= asked;
      })
      .finally(() => {
        isAsking = false;
        ask();
      });
  };
  const resize = (size: TerminalSize): void => {
    wanted = size;
    ask();
  };
  resize(first);
  return resize;
}
