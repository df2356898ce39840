/**
 * `ekiden up`: a whole Ekiden on this machine, from Postgres to the API, kept alive until Ctrl-C.
 *
 * The order is: who runs here (lock) → which ports → Postgres → the parts, all at once (they wait for one another) → one
 * ready line. The end is `stop-all.ts`. When this process is killed, the parts end by themselves; tasks and Postgres
 * stay, and the next start adopts them.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../cli-error.js';
import { readyText } from '../render/ready-text.js';
import { openDataDirectory, type DataDirectory } from './data-directory.js';
import { takeLock } from './lock.js';
import { agentCommand, apiCommand, masterCommand, type PartCommand, type Surroundings } from './part-commands.js';
import { startPart, type Part } from './part.js';
import { planAgents, type AgentPlace } from './port-plan.js';
import { claimBlocks, freePort, portRefusal, probePort, type BlockClaim } from './ports.js';
import { findBinaries } from './postgres/binaries.js';
import { ensureCluster } from './postgres/cluster.js';
import { decideRunAs } from './postgres/run-as.js';
import { startServer, type EmbeddedServer } from './postgres/server.js';
import { stopAll, type Running } from './stop-all.js';
import { onStopSignals } from './stop-signals.js';
import { checkUpOptions, type UpOptions } from './up-options.js';

/** Parts of a killed `ekiden up` end by themselves within this time. */
const FORMER_PARTS_MS = 15_000;
const PORT_POLL_MS = 100;

export interface UpEnvironment {
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One line for the terminal. */
  readonly tell: (line: string) => void;
}

/** Resolves with the exit code when everything has been stopped; rejects with a `CliError` when it could not start. */
export async function up(options: UpOptions, { home, env, tell }: UpEnvironment): Promise<number> {
  checkUpOptions(options);
  const data = openDataDirectory(options.dataDir);
  const lock = takeLock(data.path);
  const running: Running = { api: null, agents: [], master: null, postgres: null };
  const signals = onStopSignals();
  let claim: BlockClaim | null = null;
  try {
    claim = await claimBlocks(options.agents, data.savedPorts().taskBlocks);
    const places = planAgents({ ...options, manyLoopbacks: (await probePort('127.0.0.2', 0)) === null, blocks: claim.blocks });
    await Promise.race([portsAreFree(options, places, lock.tookOver ? FORMER_PARTS_MS : 0), signals.first]);
    if (!signals.asked) {
      const given = env.DATABASE_URL === '' ? undefined : env.DATABASE_URL;
      const databaseUrl = given ?? (running.postgres = await startPostgres(data, home, tell)).url;
      data.savePorts({ postgres: running.postgres?.port ?? data.savedPorts().postgres, taskBlocks: claim.blocks });
      const around = { home, env, databaseUrl, joinTokenFile: data.tokenFile('join') };
      if (!signals.asked) startParts(running, { options, data, places, tell, around });
    }
    const urls = signals.asked ? null : await Promise.race([readyUrls(running), signals.first.then(() => null)]);
    if (urls !== null) tell(readyText({ ...urls, dataDir: options.dataDir, keepTasks: options.keepTasks, adopted: lock.tookOver }));
    const signal = await signals.first;
    tell(options.keepTasks ? `${signal}: stopping, tasks run on` : `${signal}: stopping the tasks, then Ekiden; again to end at once`);
    await stopAll(running, { keepTasks: options.keepTasks, tell, hurry: signals.second });
    return 0;
  } catch (error) {
    if (running.postgres !== null || running.master !== null) tell(`stopping: ${messageOf(error).split('\n')[0] ?? ''}`);
    await stopAll(running, { keepTasks: true, tell, hurry: signals.second });
    throw error;
  } finally {
    signals.forget();
    claim?.release();
    lock.release();
  }
}

async function portsAreFree(options: UpOptions, places: readonly AgentPlace[], patienceMs: number): Promise<void> {
  const wanted = [
    { host: options.bind, port: options.apiPort, option: '--api-port' },
    { host: '127.0.0.1', port: options.masterPort, option: '--master-port' },
    ...places.map((place) => ({ host: place.ip, port: place.port, option: '--agent-port' })),
  ];
  for (const { host, port, option } of wanted) {
    for (let waitedMs = 0; ; waitedMs += PORT_POLL_MS) {
      const code = await probePort(host, port);
      if (code === null) break;
      if (code !== 'EADDRINUSE' || waitedMs >= patienceMs) throw portRefusal(host, port, option, code);
      await sleep(PORT_POLL_MS);
    }
  }
}

async function startPostgres(data: DataDirectory, home: string, tell: (line: string) => void): Promise<EmbeddedServer> {
  const runAs = decideRunAs(findBinaries(home), data.postgres);
  const passwords = { admin: data.token('postgres-admin'), role: data.token('postgres-role') };
  ensureCluster(runAs, passwords.admin);
  const saved = data.savedPorts().postgres;
  const port = saved !== null && (await probePort('127.0.0.1', saved)) === null ? saved : await freePort();
  return startServer({ runAs, passwords, port, logFile: join(data.logs, 'postgres.log'), tell });
}

interface PartsPlan {
  readonly options: UpOptions;
  readonly data: DataDirectory;
  readonly places: readonly AgentPlace[];
  readonly around: Surroundings;
  readonly tell: (line: string) => void;
}

/** All at once: each waits for those it needs, now as after any crash. */
function startParts(running: Running, { options, data, places, around, tell }: PartsPlan): void {
  const start = (command: PartCommand): Part => startPart(command, join(data.logs, `${command.name}.log`), tell);
  running.master = start(masterCommand(options, around));
  running.api = start(apiCommand(options, around));
  running.agents = places.map((place) => start(agentCommand(options, around, place, data.agent(place.index))));
}

async function readyUrls(running: Running): Promise<{ api: string; master: string; agents: readonly string[] }> {
  const [api = '', master = '', ...agents] = await Promise.all([running.api?.ready, running.master?.ready, ...running.agents.map((agent) => agent.ready)]);
  return { api, master, agents: agents.map(String) };
}
