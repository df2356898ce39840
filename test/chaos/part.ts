/**
 * One part of Ekiden as `ekiden master|agent|api` runs it, a process with its output in a file, started again whenever it ends.
 *
 * The script is started without the command line in front of it, which would only wait: a storm restarts parts all the
 * time, and two starts of Node each time are too many for a small machine.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { partScript, type PartName as PartKind } from '../../apps/cli/src/up/part-commands.js';
import { eventually } from '../e2e/ekiden.js';
import { isAlive, signal } from './processes.js';

export type { PartKind };

/** As systemd's RestartSec, and long enough to show a part that ends again and again. */
const RESTART_DELAY_MS = 500;
const STOP_TIMEOUT_MS = 20_000;

export interface PartPlan {
  readonly kind: PartKind;
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What goes in front of Node: how a process enters another network. */
  readonly prefix: readonly string[];
  readonly home: string;
  readonly logFile: string;
  readonly tell: (line: string) => void;
}

export class Part {
  private child: ChildProcess | null = null;
  private isWanted = false;
  private heldUntil = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(readonly plan: PartPlan) {}

  get name(): string {
    return this.plan.name;
  }

  /** Null while it is not there. */
  get pid(): number | null {
    const pid = this.child?.pid;
    return pid !== undefined && isAlive(pid) ? pid : null;
  }

  start(): void {
    this.isWanted = true;
    this.run();
  }

  /** `kill -9` of the part; it stays away for so long. */
  kill(awayMs: number): void {
    this.heldUntil = Date.now() + awayMs;
    const { pid } = this;
    if (pid !== null) signal(pid, 'SIGKILL');
  }

  /** It may be killed while it is stopped. */
  pause(): number | null {
    const { pid } = this;
    return pid !== null && signal(pid, 'SIGSTOP') ? pid : null;
  }

  /** In order; then by force. It is not started again. */
  async stop(): Promise<void> {
    this.isWanted = false;
    if (this.timer !== null) clearTimeout(this.timer);
    const { child, pid } = this;
    if (child === null || pid === null) return;
    signal(pid, 'SIGCONT');
    child.kill('SIGTERM');
    try {
      await eventually(`${this.name} has stopped`, () => child.exitCode !== null || child.signalCode !== null, STOP_TIMEOUT_MS);
    } finally {
      child.kill('SIGKILL');
    }
  }

  private run(): void {
    const { plan } = this;
    const [program = '', ...args] = [...plan.prefix, process.execPath, partScript(plan.home, plan.kind), ...plan.args];
    const log = openSync(plan.logFile, 'a', 0o600);
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'] ?? '', NODE_ENV: 'production', ...plan.env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.child = child;
    plan.tell(`${plan.name} starts as ${child.pid}`);
    child.on('exit', (code, by) => {
      plan.tell(`${plan.name}, ${child.pid}, ended: ${by ?? code}`);
      if (!this.isWanted || this.child !== child) return;
      this.timer = setTimeout(() => this.run(), Math.max(RESTART_DELAY_MS, this.heldUntil - Date.now()));
    });
  }
}
