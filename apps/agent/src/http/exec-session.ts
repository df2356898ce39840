/**
 * One command in a task and the client who runs it, over one WebSocket (exec-messages.ts).
 *
 *   start ─► the command runs ⇄ bytes both ways ─► it has ended, and all that it has printed is sent ─► exit ─► closed
 *
 * The command ends when the client goes away, does not answer pings, breaks the protocol or stays too long. At most a window of bytes
 * waits here in each direction: a client that does not read stops the command, not this agent.
 */
import type { Readable } from 'node:stream';
import type { ExecSpec, ProcessEnd, TaskProcess } from '@ekiden/isolation';
import type { WebSocket } from 'ws';
import { CHANNELS, frame, parseClientMessage, WINDOW_BYTES, type AgentMessage, type StartMessage } from './exec-messages.js';

/** How long a client may take until it says what to run. */
export const START_TIMEOUT_MS = 10_000;
/** A ping this often; who has not answered the last one when the next is due is gone. */
export const PING_INTERVAL_MS = 20_000;
export const MAX_SESSION_MS = 12 * 3_600_000;
/** Nothing that belongs to the command is left, but somebody holds its streams: after so long without a byte they count as read. */
export const DRAIN_MS = 2_000;

export interface SessionPorts {
  /** Rejects with the reason. */
  exec(command: Pick<ExecSpec, 'argv' | 'io'>): Promise<TaskProcess>;
  /** The task runs; what a kill of the command is explained by. */
  taskRuns(): boolean;
  /** What is to be run; then how it ended. For the audit. */
  begun(start: StartMessage): void;
  over(end: SessionEnd): void;
}

export interface SessionEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly why: string | null;
}

/** Runs until the socket is closed. */
export function serveExecSession(socket: WebSocket, ports: SessionPorts): void {
  new Session(socket, ports).begin();
}

class Session {
  private command: TaskProcess | null = null;
  private isStarting = false;
  private isOver = false;
  /** Why the command was ended from here. */
  private why: string | null = null;
  private end: ProcessEnd | null = null;
  /** Sent and not acknowledged. */
  private unread = 0;
  /** Received and not written yet. */
  private unwritten = 0;
  private hasPonged = true;
  private readonly timers: NodeJS.Timeout[] = [];
  private startTimer: NodeJS.Timeout | null = null;

  constructor(
    private readonly socket: WebSocket,
    private readonly ports: SessionPorts,
  ) {}

  begin(): void {
    const { socket } = this;
    socket.on('message', (data: Buffer, isBinary) => (isBinary ? this.bytes(data) : this.message(data.toString('utf8'))));
    socket.on('pong', () => (this.hasPonged = true));
    socket.on('error', () => undefined); // its close follows
    socket.on('close', () => this.closed());
    this.startTimer = setTimeout(() => this.refuse(`nothing was asked for within ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    this.timers.push(
      setInterval(() => this.ping(), PING_INTERVAL_MS),
      setTimeout(() => this.stop(`it ran for ${MAX_SESSION_MS} ms, which is the limit`), MAX_SESSION_MS),
    );
  }

  private ping(): void {
    if (!this.hasPonged) {
      this.why ??= 'the client does not answer any more';
      return this.socket.terminate();
    }
    this.hasPonged = false;
    this.socket.ping();
  }

  // --- from the client

  private message(text: string): void {
    const message = parseClientMessage(text);
    switch (message.type) {
      case 'start':
        return this.isStarting ? this.breach('start was said twice') : void this.start(message);
      case 'resize':
        return this.command?.resize(message);
      case 'end-of-input':
        return void this.command?.input?.end();
      case 'ack':
        if (message.bytes > this.unread) return this.breach('it acknowledges more than it was sent');
        this.unread -= message.bytes;
        return this.flow();
      case 'wrong':
        return this.breach(message.why);
    }
  }

  private bytes(data: Buffer): void {
    const bytes = data.subarray(1);
    if (data[0] !== CHANNELS.input) return this.breach(`channel ${data[0] ?? 'none'} is not the client's to write to`);
    if (this.command === null) return this.breach('input came before the answer to start');
    this.unwritten += bytes.length;
    if (this.unwritten > WINDOW_BYTES) return this.breach(`more than ${WINDOW_BYTES} bytes of input are not acknowledged`);
    const written = (): void => {
      this.unwritten -= bytes.length;
      this.say({ type: 'ack', bytes: bytes.length });
    };
    const { input } = this.command;
    // What it reads no more is taken all the same: its end says the rest.
    if (bytes.length === 0) return;
    if (input === null || !input.writable) written();
    else input.write(bytes, written);
  }

  private async start(start: StartMessage): Promise<void> {
    this.isStarting = true;
    if (this.startTimer !== null) clearTimeout(this.startTimer);
    this.ports.begun(start);
    let command: TaskProcess;
    try {
      command = await this.ports.exec({ argv: start.argv, io: start.terminal ?? 'pipes' });
    } catch (error) {
      return this.refuse(error instanceof Error ? error.message : String(error));
    }
    this.command = command;
    if (this.isOver) return command.kill(); // the client went away meanwhile
    this.say({ type: 'started', window: WINDOW_BYTES });
    if (!start.input) command.input?.end();
    const drained = [this.forward(command.output, CHANNELS.output), this.forward(command.errors, CHANNELS.errors)];
    this.end = await command.ended;
    await Promise.all(drained);
    this.finish(this.end);
  }

  // --- from the command

  /** Resolves when all of it is sent. */
  private forward(stream: Readable | null, channel: number): Promise<void> {
    if (stream === null) return Promise.resolve();
    return new Promise((resolve) => {
      let isQuiet = false;
      const quiet = setInterval(() => {
        if (this.isOver || (this.end !== null && isQuiet && !stream.isPaused())) stream.destroy();
        isQuiet = true;
      }, DRAIN_MS);
      stream.on('data', (bytes: Buffer) => {
        isQuiet = false;
        this.unread += bytes.length;
        this.socket.send(frame(channel, bytes), () => undefined);
        this.flow();
      });
      stream.on('close', () => {
        clearInterval(quiet);
        resolve();
      });
    });
  }

  private flow(): void {
    for (const stream of [this.command?.output, this.command?.errors]) {
      if (this.unread >= WINDOW_BYTES) stream?.pause();
      else if (stream?.isPaused() === true) stream.resume();
    }
  }

  private say(message: AgentMessage): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(JSON.stringify(message), () => undefined);
  }

  // --- the end

  private finish({ code, signal }: ProcessEnd): void {
    const wasKilled = code === null || code > 128;
    const reason = this.why ?? (wasKilled && !this.ports.taskRuns() ? 'the task has ended' : null);
    this.say({ type: 'exit', code, signal, reason });
    this.why = reason;
    this.socket.close(1000);
  }

  private refuse(message: string): void {
    this.why ??= message;
    this.say({ type: 'refused', message });
    this.socket.close(1000);
  }

  private breach(why: string): void {
    this.why ??= `the client broke the protocol: ${why}`;
    this.socket.close(1008, why.slice(0, 100));
    this.command?.kill();
  }

  /** The client is told how it ended. */
  private stop(why: string): void {
    this.why ??= why;
    this.command?.kill();
  }

  private closed(): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.startTimer !== null) clearTimeout(this.startTimer);
    for (const timer of this.timers) clearTimeout(timer);
    const { command, end } = this;
    if (end === null) this.why ??= 'the client went away';
    command?.kill();
    // What nobody reads any more is let go of.
    command?.output?.destroy();
    command?.errors?.destroy();
    this.ports.over({ code: end?.code ?? null, signal: end?.signal ?? null, why: this.why });
  }
}
