/**
 * One part of Ekiden as a process of its own, beside a whole Ekiden: a second agent, a second master, a second API.
 *
 * It is what `ekiden agent|master|api` runs, and ends with this process. Secrets go through files and the environment.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, Fatal, HOME, type Ekiden } from './ekiden.js';

export type LoneApp = 'master' | 'agent' | 'paas-api';

export class LonePart {
  private static readonly all = new Set<LonePart>();
  output = '';
  /** It has ended and all that it said is in `output`. */
  private isOver = false;
  /** Null until it serves. */
  url: string | null = null;
  private readonly child: ChildProcess;

  /** Starts it at once; `ready` waits until it serves. `ekiden up` has built it before. */
  constructor(app: LoneApp, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const script = join(HOME, 'dist/apps', app, 'main.js');
    const { DATABASE_URL: _database, ...around } = process.env;
    this.child = fork(script, [...args], { env: { ...around, NODE_ENV: 'production', ...env }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [] });
    const collect = (chunk: Buffer): void => void (this.output += chunk.toString());
    this.child.stdout?.on('data', collect);
    this.child.stderr?.on('data', collect);
    this.child.on('message', (message: { ready?: boolean; url?: string }) => {
      if (message.ready === true) this.url = message.url ?? null;
    });
    this.child.on('close', () => (this.isOver = true));
    LonePart.all.add(this);
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get exitCode(): number | null {
    return this.child.exitCode;
  }

  async ready(): Promise<string> {
    await eventually('the part serves', () => {
      if (this.child.exitCode !== null) throw new Fatal(`it ended with ${this.child.exitCode}:\n${this.output}`);
      return this.url !== null;
    });
    return this.url ?? '';
  }

  async says(text: string | RegExp): Promise<void> {
    await eventually(`the part says ${String(text)}; it said:\n${this.output}`, () => {
      if (typeof text === 'string' ? this.output.includes(text) : text.test(this.output)) return true;
      if (this.child.exitCode !== null) throw new Fatal(`it ended with ${this.child.exitCode}:\n${this.output}`);
      return false;
    });
  }

  /** Waits for its end; answers with the exit code, -1 after a signal. */
  async ended(): Promise<number> {
    await eventually('the part has ended', () => this.isOver);
    return this.child.exitCode ?? -1;
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<number> {
    if (!this.isOver) this.child.kill(signal);
    return this.ended();
  }

  /** For `afterAll`: whatever a test left running. */
  static async endAll(): Promise<void> {
    for (const part of LonePart.all) await part.kill('SIGTERM');
    LonePart.all.clear();
  }
}

/** The file with which agents and frameworks of this Ekiden join. */
export const joinTokenFile = (ekiden: Ekiden): string => join(ekiden.dataDir, 'tokens/join');

/** The embedded database of this Ekiden: what `ekiden up` hands to its parts. */
export function databaseUrlOf(ekiden: Ekiden): string {
  const password = readFileSync(join(ekiden.dataDir, 'tokens/postgres-role'), 'utf8').trim();
  const { postgres } = JSON.parse(readFileSync(join(ekiden.dataDir, 'ports.json'), 'utf8')) as { postgres: number };
  return `postgres://ekiden:${encodeURIComponent(password)}@127.0.0.1:${postgres}/ekiden`;
}

/** A further agent that joins this Ekiden, with an attribute `test:<name>` for constraints and ports of its own. */
export async function joinAgent(ekiden: Ekiden, name: string, workDir: string, args: readonly string[] = []): Promise<LonePart> {
  const port = args.includes('--port') ? [] : ['--port', '0'];
  const base = ['--master', `http://127.0.0.1:${ekiden.masterPort}`, ...port, '--work-dir', workDir, '--attributes', `test:${name}`];
  const agent = new LonePart('agent', [...base, '--token-file', joinTokenFile(ekiden), '--ports', '29000-29099', ...args]);
  await agent.ready();
  await agent.says('"registered"');
  return agent;
}

/** Puts an app on the agent that `joinAgent` started under this name. */
export const onAgent = (name: string): { constraints: string[][] } => ({ constraints: [['test', 'IS', name]] });

export function writeTokenFile(path: string, token: string): string {
  writeFileSync(path, `${token}\n`, { mode: 0o600 });
  return path;
}
