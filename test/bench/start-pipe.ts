/**
 * Hears of a process the moment it runs: tasks write their pid into a named pipe as their first deed. No polling, and the same for
 * every contender.
 */
import { execFileSync } from 'node:child_process';
import { constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Started {
  readonly pid: number;
  /** `performance.now()` when it was heard. */
  readonly at: number;
}

export class StartPipe {
  private readonly dir = mkdtempSync(join(tmpdir(), 'ekiden-bench-pipe-'));
  private readonly socket: Socket;
  private readonly heard: Started[] = [];
  private waiting: ((started: Started) => void) | null = null;

  constructor() {
    execFileSync('mkfifo', [this.path]);
    // Opened for both, so that neither side ever waits for the other or sees an end.
    this.socket = new Socket({ fd: openSync(this.path, constants.O_RDWR | constants.O_NONBLOCK), readable: true, writable: false });
    let rest = '';
    this.socket.on('data', (chunk: Buffer) => {
      const at = performance.now();
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.tell({ pid: Number(line), at });
    });
  }

  private get path(): string {
    return join(this.dir, 'starts');
  }

  /** A shell line that says that it runs, and then sleeps. */
  get line(): string {
    return `echo $$ > ${this.path}; exec sleep 100000`;
  }

  private tell(started: Started): void {
    const waiting = this.waiting;
    this.waiting = null;
    if (waiting === null) this.heard.push(started);
    else waiting(started);
  }

  /** The next process that started; rejects when none does within the bound. */
  async next(boundMs = 30_000): Promise<Started> {
    const already = this.heard.shift();
    if (already !== undefined) return already;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting = null;
        reject(new Error(`no process started within ${boundMs} ms`));
      }, boundMs);
      this.waiting = (started) => {
        clearTimeout(timer);
        resolve(started);
      };
    });
  }

  /** Forgets what was heard. */
  drain(): void {
    this.heard.length = 0;
  }

  end(): void {
    this.socket.destroy();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
