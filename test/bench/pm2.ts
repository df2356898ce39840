/**
 * PM2 as a contender: installed into a cached temporary folder, with a PM2_HOME of its own, driven through its programmatic API (its
 * command line would add the start of a Node process to each figure). Its daemon is ended by pid at the end.
 */
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, isAlive } from '../e2e/ekiden.js';
import type { Deployer } from './contender.js';

export const PM2_VERSION = '7.0.4';

interface Answer {
  readonly id: number;
  readonly ms?: number;
  readonly error?: string;
}

export class Pm2 implements Deployer {
  readonly name = 'pm2';
  private orders = 0;
  private readonly waiting = new Map<number, (answer: Answer) => void>();

  private constructor(
    private readonly home: string,
    private readonly driver: ChildProcess,
  ) {
    // `fork` over IPC: whatever the driver says is an answer of its own making.
    driver.on('message', (answer: Answer) => this.waiting.get(answer.id)?.(answer));
    driver.on('exit', () => this.waiting.forEach((settle, id) => settle({ id, error: 'the PM2 driver has ended' })));
  }

  static async open(): Promise<Pm2> {
    const folder = installPm2();
    const home = mkdtempSync(join(tmpdir(), 'ekiden-bench-pm2-'));
    const driver = fork(join(import.meta.dirname, 'pm2-driver.mjs'), [folder], {
      execArgv: [],
      env: { ...process.env, PM2_HOME: home, NODE_ENV: 'production' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const pm2 = new Pm2(home, driver);
    await pm2.order('connect');
    return pm2;
  }

  /** The daemon, which PM2 calls god. */
  get pid(): number {
    return Number(readFileSync(join(this.home, 'pm2.pid'), 'utf8'));
  }

  private async order(order: string, args: Readonly<Record<string, unknown>> = {}): Promise<number> {
    const id = this.orders++;
    const answer = await new Promise<Answer>((resolve) => {
      this.waiting.set(id, resolve);
      this.driver.send({ id, order, ...args });
    });
    this.waiting.delete(id);
    if (answer.ms === undefined) throw new Error(`PM2 could not ${order}: ${answer.error}`);
    return answer.ms;
  }

  start(count: number, line: string): Promise<number> {
    return this.order('start', { count, line });
  }

  roll(batch: number): Promise<number> {
    return this.order('reload', { batch });
  }

  scale(count: number): Promise<number> {
    return this.order('scale', { count });
  }

  async clear(): Promise<void> {
    await this.order('clear');
  }

  async end(): Promise<void> {
    const { pid } = this;
    await this.order('clear').catch(() => undefined); // nothing may be running
    await this.order('kill').catch(() => undefined);
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await eventually('the PM2 daemon is gone', () => !isAlive(pid));
    this.driver.kill('SIGKILL');
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Answers the folder; the marker says that the installation was not cut short. */
function installPm2(): string {
  const folder = join(tmpdir(), 'ekiden-bench-cache', `pm2-${PM2_VERSION}`);
  const marker = join(folder, 'installed');
  if (existsSync(marker)) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', `pm2@${PM2_VERSION}`], { cwd: folder, stdio: 'pipe' });
  writeFileSync(marker, '');
  return folder;
}
