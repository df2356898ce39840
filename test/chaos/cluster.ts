/**
 * A real cluster: Postgres, two masters and two APIs (one of each leads), three agents, each part a process of its own
 * with its own directory and ports, and wires between them that faults can take hold of.
 *
 *   agent-1  loopback; reaches the masters through wires          process runtime
 *   agent-2  a network of its own where we may make one           the machine's best runtime
 *   agent-3  its work directory on a small disk where we may      the machine's best runtime
 */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, freePorts } from '../e2e/ekiden.js';
import { AgentNetwork, MASTER_ADDRESS } from './agent-network.js';
import { Database } from './database.js';
import { installHistory } from './history.js';
import { Part, type PartKind } from './part.js';
import { signal, taskProcesses, type TaskProcess } from './processes.js';
import { SmallDisk } from './small-disk.js';
import { Wire } from './wire.js';

/** Enough for all apps twice over, so that one agent may be missing; small enough that a launch too many shows. */
export const AGENT_CPUS = 2;
export const AGENT_MEM_MIB = 1_200;
const AGENT_COUNT = 3;
const PORTS_PER_AGENT = 200;
const FIRST_TASK_PORT = 31_000;
/** Sooner than in production (75 s), so that a run of minutes sees agents given up and coming back. */
const AGENT_TIMEOUT_MS = 15_000;
const PING_INTERVAL_MS = 3_000;
/** So that no commit of a run is forgotten before it is judged. */
const KEEP_ROWS = 1_000_000;
const READY_BOUND_MS = 120_000;
const LOOPBACK = '127.0.0.1';

export interface Powers {
  /** A machine of our own: root, in namespaces. */
  readonly ownMachine: boolean;
  readonly ownNetwork: boolean;
}

export class Cluster {
  readonly parts: Part[] = [];
  readonly wires: Wire[] = [];
  network: AgentNetwork | null = null;
  disk: SmallDisk | null = null;
  apis: string[] = [];
  private databaseOrNull: Database | null = null;

  private constructor(
    readonly home: string,
    readonly directory: string,
    private readonly powers: Powers,
    private readonly tell: (line: string) => void,
  ) {}

  static async start(home: string, directory: string, powers: Powers, tell: (line: string) => void): Promise<Cluster> {
    const cluster = new Cluster(home, directory, powers, tell);
    try {
      await cluster.build();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get database(): Database {
    if (this.databaseOrNull === null) throw new Error('there is no database');
    return this.databaseOrNull;
  }

  get agents(): string {
    return join(this.directory, 'agents');
  }

  /** The names under which agents keep control groups. */
  static instancesOf(directory: string): string[] {
    const workDirs = Array.from({ length: AGENT_COUNT }, (_, index) => join(directory, 'agents', `agent-${index + 1}`, 'work'));
    return workDirs.map((workDir) => createHash('sha256').update(workDir).digest('hex').slice(0, 12));
  }

  of(kind: PartKind): Part[] {
    return this.parts.filter((part) => part.plan.kind === kind);
  }

  part(name: string): Part | undefined {
    return this.parts.find((part) => part.name === name);
  }

  taskProcesses(): TaskProcess[] {
    return taskProcesses(this.agents);
  }

  /** Parts in order, Postgres last; then what only we have made. Harmless when half of it was never there. */
  async stop(): Promise<void> {
    const problems: unknown[] = [];
    const attempt = async (work: () => unknown): Promise<void> => {
      try {
        await work();
      } catch (error) {
        problems.push(error);
      }
    };
    for (const kind of ['api', 'agent', 'master'] as const) await Promise.all(this.of(kind).map((part) => attempt(() => part.stop())));
    await attempt(() => this.endTasks());
    await attempt(() => this.databaseOrNull?.stop());
    await Promise.all(this.wires.map((wire) => attempt(() => wire.close())));
    await attempt(() => this.network?.remove());
    await attempt(() => this.disk?.remove());
    if (problems.length > 0) throw new AggregateError(problems, `the cluster did not stop in order: ${problems.map(String).join('; ')}`);
  }

  /** After a run that failed half way; a whole one has none left. */
  private async endTasks(): Promise<void> {
    await eventually('no task is left', () => {
      for (const { pid } of this.taskProcesses()) signal(pid, 'SIGKILL');
      return this.taskProcesses().length === 0;
    });
  }

  private async build(): Promise<void> {
    for (const name of ['logs', 'tokens', 'agents', 'journal']) mkdirSync(join(this.directory, name), { mode: 0o755 });
    chmodSync(this.directory, 0o755); // the database's user walks through
    writeFileSync(this.joinToken, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
    const [postgres, masterA, masterB, apiA, apiB] = await freePorts(5);
    this.databaseOrNull = await Database.start(this.home, this.directory, postgres ?? 0, this.tell);
    if (this.powers.ownNetwork) this.network = AgentNetwork.make();
    const masters = [masterA ?? 0, masterB ?? 0];
    await Promise.all(masters.map((port, index) => this.addMaster(`master-${'ab'[index]}`, port)));
    for (const [index, port] of [apiA ?? 0, apiB ?? 0].entries()) await this.addApi(`api-${'ab'[index]}`, port, masters);
    for (let number = 1; number <= AGENT_COUNT; number += 1) await this.addAgent(number, masters);
    for (const part of this.parts) part.start();
    await this.isReady();
    await installHistory(this.database);
  }

  private get joinToken(): string {
    return join(this.directory, 'tokens/join');
  }

  /** Where masters are reached without a wire. */
  private get masterHost(): string {
    return this.network === null ? LOOPBACK : MASTER_ADDRESS;
  }

  private async addMaster(name: string, port: number): Promise<void> {
    const database = await this.wire(`${name}→postgres`, this.database.port);
    const bind = this.network === null ? LOOPBACK : '0.0.0.0';
    const args = ['--port', `${port}`, '--bind', bind, '--hostname', this.masterHost, '--token-file', this.joinToken];
    const timeouts = ['--agent-timeout-ms', `${AGENT_TIMEOUT_MS}`, '--agent-reregister-timeout-ms', `${AGENT_TIMEOUT_MS}`];
    this.add('master', name, [...args, ...timeouts, '--ping-interval-ms', `${PING_INTERVAL_MS}`], { DATABASE_URL: this.database.url(database.port) });
  }

  private async addApi(name: string, port: number, masters: readonly number[]): Promise<void> {
    const database = await this.wire(`${name}→postgres`, this.database.port);
    const urls = await this.wiresTo(name, masters);
    const args = ['--port', `${port}`, '--master', urls, '--master-token-file', this.joinToken];
    this.add('api', name, [...args, '--keep-events', `${KEEP_ROWS}`, '--keep-deployments', `${KEEP_ROWS}`], { DATABASE_URL: this.database.url(database.port) });
    this.apis.push(`http://${LOOPBACK}:${port}`);
  }

  private async addAgent(number: number, masters: readonly number[]): Promise<void> {
    const name = `agent-${number}`;
    const own = join(this.agents, name);
    mkdirSync(own, { mode: 0o700 });
    const isFar = number === 2 && this.network !== null;
    if (number === 3 && this.powers.ownMachine) this.disk = SmallDisk.mount(own);
    const address = isFar ? (this.network?.address ?? LOOPBACK) : `127.0.0.${10 + number}`;
    const urls = isFar ? masters.map((port) => `http://${MASTER_ADDRESS}:${port}`).join(',') : await this.wiresTo(name, masters);
    const first = FIRST_TASK_PORT + (number - 1) * PORTS_PER_AGENT;
    const resources = ['--cpus', `${AGENT_CPUS}`, '--mem', `${AGENT_MEM_MIB}`, '--disk', '1000', '--ports', `${first}-${first + PORTS_PER_AGENT - 1}`];
    const args = [
      '--master',
      urls,
      '--bind',
      address,
      '--port',
      '5051',
      '--hostname',
      address,
      '--work-dir',
      join(own, 'work'),
      '--token-file',
      this.joinToken,
    ];
    const runtime = number === 1 ? ['--runtime', 'process'] : [];
    this.add('agent', name, [...args, ...resources, ...runtime], {}, isFar ? (this.network?.prefix ?? []) : []);
  }

  private add(kind: PartKind, name: string, args: readonly string[], env: Readonly<Record<string, string>>, prefix: readonly string[] = []): void {
    this.parts.push(new Part({ kind, name, args, env, prefix, home: this.home, logFile: join(this.directory, 'logs', `${name}.log`), tell: this.tell }));
  }

  private async wire(name: string, port: number): Promise<Wire> {
    const wire = await Wire.open(name, { host: LOOPBACK, port });
    this.wires.push(wire);
    return wire;
  }

  /** One wire a master, and none of their redirects leads around them. */
  private async wiresTo(name: string, masters: readonly number[]): Promise<string> {
    const wires = await Promise.all(masters.map((port, index) => this.wire(`${name}→master-${'ab'[index]}`, port)));
    const names = masters.map((port, index) => [`${this.masterHost}:${port}`, `${LOOPBACK}:${wires[index]?.port}`] as const);
    for (const wire of wires) wire.rename(names);
    return wires.map((wire) => `http://${LOOPBACK}:${wire.port}`).join(',');
  }

  private async isReady(): Promise<void> {
    await eventually(
      'three agents are there and somebody leads',
      async () => {
        const nodes = await this.json<{ nodes: { state: string }[] }>('/ekiden/v1/nodes');
        return nodes.nodes.filter(({ state }) => state === 'active').length === AGENT_COUNT;
      },
      READY_BOUND_MS,
    );
  }

  /** Asks the first API that answers. */
  async json<T>(path: string, timeoutMs = 10_000): Promise<T> {
    let last: unknown = null;
    for (const api of this.apis) {
      try {
        const reply = await fetch(api + path, { signal: AbortSignal.timeout(timeoutMs) });
        if (reply.ok) return (await reply.json()) as T;
        last = new Error(`${path}: ${reply.status} ${(await reply.text()).slice(0, 200)}`);
      } catch (error) {
        last = error;
      }
    }
    throw last instanceof Error ? last : new Error(String(last));
  }
}

/** Builds what is not built, as the first start from a checkout does. */
export const build = (home: string): void => void execFileSync(process.execPath, [join(home, 'bin/ekiden.mjs'), '--version'], { cwd: home, stdio: 'ignore' });
