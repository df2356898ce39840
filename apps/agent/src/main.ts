/**
 * The agent as a process: plain Node, no container, at most 80 MiB with 200 tasks.
 *
 * It hands the real ports to create-agent.ts, serves its HTTP, rotates the logs of tasks and removes old sandboxes. Ending it
 * in whatever way ends no task: the next one on the same work directory finds them again. Only its parent may ask for the
 * end of all tasks (`stop-tasks` over IPC: Ctrl-C of `npm start`).
 */
import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { assertBindable, createLog, EKIDEN_VERSION, parseOptions, readTokenFile, runService, service, systemWorld, type RunningService } from '@ekiden/service';
import type { AgentConfig, AgentPorts, ImagePort } from './agent-ports.js';
import { fsCheckpointStore } from './checkpoint/fs-checkpoint-store.js';
import { createAgent } from './create-agent.js';
import { systemProbe } from './health/system-probe.js';
import { agentMetrics } from './http/agent-metrics.js';
import { createAgentServer, OPEN_PATHS } from './http/agent-server.js';
import { openExecSessions } from './http/exec-sessions.js';
import { systemHostPorts } from './host-ports.js';
import { webSocketConnector } from './link/websocket-connector.js';
import { bootId, machineResources } from './machine.js';
import { agentOptions, checkMasters, parseAttributes, parseCapabilities, type AgentOptions } from './options.js';
import { answerParent } from './parent-requests.js';
import { type ChosenRuntime, chooseRuntime } from './choose-runtime.js';
import { imagesRefused } from './container-images.js';
import { duMeter } from './sandbox/disk-meter.js';
import { startHousekeeping, type ImageCollector } from './sandbox/housekeeping.js';
import { createFetcher } from './sandbox/create-fetcher.js';
import { fsSandboxes, prepareTasksDirectory } from './sandbox/fs-sandboxes.js';
import { fsHistoryStore } from './statistics/fs-history-store.js';
import { assertOwnWorkDir, lockWorkDir } from './work-dir-lock.js';

const MIB = 1024 * 1024;
const TASK_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

async function main(): Promise<RunningService> {
  const options = parseOptions(agentOptions, process.argv.slice(2), process.env);
  const tokens = options.tokenFile === null ? [] : readTokenFile(options.tokenFile);
  assertBindable(options.bind, tokens);
  const masters = checkMasters(options.master);
  const log = createLog({ name: 'agent', level: options.logLevel as 'debug' | 'info' | 'warn' | 'error' });
  const workDir = resolve(options.workDir);
  const othersRun = options.taskUser !== null || options.allowUser.length > 0;
  mkdirSync(workDir, { recursive: true, mode: 0o700 });
  assertOwnWorkDir(workDir);
  const lock = lockWorkDir(workDir);
  await prepareTasksDirectory(workDir, othersRun);

  const checkpoints = fsCheckpointStore(workDir);
  const chosen = await chooseRuntime(options, workDir, log);
  const { runtime, networks } = chosen;
  const rotation = { maxBytes: options.logMaxMib * MIB, keep: options.logKeep };
  const fetcher = createFetcher({
    workDir,
    limits: { maxBytes: options.fetchMaxMib * MIB, timeoutMs: options.fetchTimeoutMs, stallMs: options.fetchStallMs },
    cacheBytes: options.fetchCacheMib * MIB,
    parallel: options.fetchParallel,
    fileDirs: options.fileFetchDirs,
  });
  const retentionMs = options.sandboxKeepHours * 3_600_000;
  let isRecovered = false;
  // The port is bound before the registration names it; requests wait in the kernel until the handler is there.
  const metrics = agentMetrics(() => agent, log);
  const policy = { allowedHosts: [options.hostname ?? '', advertised(options)].filter((host) => host !== ''), tokens, contentTypes: [], openPaths: OPEN_PATHS };
  const server = createAgentServer({
    policy,
    log,
    tasks: () => agent.tasks(),
    view: () => agent.view(),
    workDir,
    retentionMs,
    task: (taskId) => agent.task(taskId),
    isRecovered: () => isRecovered,
    statistics: {
      get sampler() {
        return agent.sampler;
      },
      hardCpus: runtime.name === 'cgroup' && !options.softCpus,
      agentId: () => agent.view().agentId,
    },
    metrics,
  });
  const execSessions = openExecSessions(server, { policy, log, runtime, entrance: (taskId) => agent.entrance(taskId) });
  const port = await listen(server, options.port, options.bind);
  const ports: AgentPorts = {
    ...systemWorld(log),
    config: agentConfig(options, workDir, port, chosen),
    checkpoints,
    runtime,
    master: webSocketConnector({ masters, token: tokens[0] ?? null }),
    sandboxes: fsSandboxes(workDir, { ...fetcher, rotation }, othersRun),
    hostPorts: systemHostPorts,
    disk: duMeter,
    history: fsHistoryStore(workDir),
    images: imagesNow(chosen),
    networks,
    probe: systemProbe(runtime),
  };
  const agent = createAgent(ports);
  await agent.start();
  isRecovered = true;
  const awaited = chosen.awaitEngine(() => agent.registerAnew());
  const housekeeping = startHousekeeping({
    workDir,
    log,
    tasks: () => agent.tasks(),
    rotation,
    retentionMs,
    images: () => storeOf(chosen),
    imageKeepMs: options.imageKeepHours * 3_600_000,
  });
  answerParent(agent, log);
  const url = `http://${advertised(options)}:${port}`;
  log.info('agent-serves', { url, runtime: runtime.name, workDir, resources: ports.config.resources });
  service.ready(url);
  return {
    stop: async () => {
      housekeeping.stop();
      awaited.stop();
      execSessions.close();
      await agent.stop();
      runtime.close();
      lock.release();
      // Last: a free port says that the next agent may start here.
      server.close();
      server.closeAllConnections();
    },
  };
}

const advertised = (options: AgentOptions): string =>
  options.advertiseIp ?? (options.bind === '0.0.0.0' || options.bind === 'localhost' ? '127.0.0.1' : options.bind);

function agentConfig(options: AgentOptions, workDir: string, port: number, { now }: ChosenRuntime): AgentConfig {
  const ip = advertised(options);
  const own = parseAttributes(options.attributes);
  const allowedCapabilities = parseCapabilities('--allow-capabilities', options.allowCapabilities, '*');
  return {
    hostname: options.hostname ?? ip,
    ip,
    port,
    version: EKIDEN_VERSION,
    resources: machineResources(options, workDir),
    get attributes() {
      return { ...own, ...now().attributes };
    },
    get runtimes() {
      return now().report;
    },
    region: options.region,
    zone: options.zone,
    bootId: bootId(),
    defaultKillGraceMs: options.killGraceMs,
    baseEnv: { PATH: process.env['PATH'] ?? TASK_PATH, LANG: process.env['LANG'] ?? 'C.UTF-8' },
    taskUser: options.taskUser,
    allowedUsers: options.allowUser,
    diskPolicy: options.diskPolicy as 'off' | 'warn' | 'kill',
    diskCheckMs: options.diskCheckMs,
    get containers() {
      const { images, networks } = now();
      return {
        imagesRefused: images.runner === null ? `this agent runs no images: ${imagesRefused(images)}` : null,
        volumeDirs: options.allowVolumes,
        allowsPrivileged: options.allowPrivileged,
        networksRefused: networks.kind === 'ready' ? null : `this agent gives tasks no networks of their own: ${networks.why}`,
      };
    },
    allowedCapabilities,
  };
}

/** Of whoever runs images now. */
function imagesNow({ now }: ChosenRuntime): ImagePort {
  const port = (): ImagePort => {
    const { images } = now();
    if (images.runner === null) throw new Error(`this agent runs no images: ${imagesRefused(images)}`);
    return images.runner.port;
  };
  return { ensure: async (wish) => await port().ensure(wish), openVolumes: async (volumes) => await port().openVolumes(volumes) };
}

/** Which collects images; null: nobody does. */
function storeOf({ now }: ChosenRuntime): ImageCollector | null {
  const { runner } = now().images;
  return runner === null ? null : runner.by === 'oci' ? runner.store : runner.images;
}

function listen(server: ReturnType<typeof createAgentServer>, port: number, host: string): Promise<number> {
  return new Promise((done, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new Error(`${host}:${port} is in use: stop what listens there, or give another --port`) : error),
    );
    server.listen(port, host, () => done((server.address() as AddressInfo).port));
  });
}

// A small young generation: the agent allocates little, and an agent on each machine has to stay small (some 6 MiB less).
setFlagsFromString('--max-semi-space-size=2');
setFlagsFromString('--semi-space-growth-factor=1');
runService('agent', main);
