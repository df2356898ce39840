/**
 * The master as a process: real ports for the core, the HTTP layer on top.
 *
 * It listens before it leads, so that a standby sends everybody to the leader; it ends when somebody else has taken the
 * lead, and is started again by its parent. Ending it in whatever way ends no task.
 */
import { lookup } from 'node:dns/promises';
import { hostname as systemHostname } from 'node:os';
import {
  assertBindable,
  createLog,
  EKIDEN_VERSION,
  parseOptions,
  readTokenFile,
  runService,
  service,
  systemWorld,
  type LogLevel,
  type OptionValues,
} from '@ekiden/service';
import { createMaster } from './create-master.js';
import { OPEN_PATHS } from './http/gate.js';
import { openHttp } from './http/open-http.js';
import type { Rim } from './http/rim.js';
import { masterOptions, pingsOf } from './master-options.js';
import type { MasterConfig } from './master-ports.js';
import { openPostgresMasterStore, type PostgresMasterStore } from './store/postgres-master-store.js';

/** For how long a standby repeats who leads without asking again. */
const LEADER_CACHE_MS = 500;
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

runService('master', async () => {
  const options = parseOptions(masterOptions, process.argv.slice(2), process.env);
  const log = createLog({ name: 'master', level: LEVELS.find((level) => level === options.logLevel) ?? 'info' });
  const tokens = options.tokenFile === null ? [] : readTokenFile(options.tokenFile);
  assertBindable(options.bind, tokens);
  const world = systemWorld(log);
  const config = await configOf(options);
  const end = (why: string): void => {
    log.error('leads-no-longer', { why });
    process.exit(1); // Streams and links are closed: agents and frameworks look for the leader.
  };
  const store = await openPostgresMasterStore({ connectionString: options.databaseUrl.reveal(), log, onLost: end });
  const master = createMaster({ ...world, config, store }, end);
  const rim: Rim = {
    master,
    config,
    leader: cachedLeader(store, () => world.clock.now()),
    log,
    policy: { allowedHosts: [config.hostname, config.ip, ...options.allowedHosts], tokens, contentTypes: [], openPaths: OPEN_PATHS },
    startedAtMs: world.clock.now(),
    now: () => world.clock.now(),
  };
  const http = await openHttp(rim, { host: options.bind, port: config.port });
  config.port = http.port;
  const url = `http://${options.bind}:${http.port}`;
  log.info('listening', { url });
  let isStopping = false;
  void master.start().then(
    () => service.ready(url),
    (error: unknown) => {
      if (!isStopping) end(String(error));
    },
  );
  return {
    stop: async () => {
      isStopping = true;
      await master.stop();
      await http.close();
      await store.close();
    },
  };
});

/** Mutable for one reason: a port asked for as 0 is known only once it is bound. */
type OwnConfig = { -readonly [K in keyof MasterConfig]: MasterConfig[K] };

async function configOf(options: OptionValues<typeof masterOptions>): Promise<OwnConfig> {
  const isAny = options.bind === '0.0.0.0' || options.bind === '::';
  const hostname = options.hostname ?? (isAny ? systemHostname() : options.bind);
  const { address } = isAny ? await lookup(hostname, { family: 4 }) : { address: options.bind };
  return {
    hostname,
    ip: address,
    port: options.port,
    version: EKIDEN_VERSION,
    heartbeatIntervalMs: options.heartbeatIntervalMs,
    ...pingsOf(options),
    reregisterTimeoutMs: options.agentReregisterTimeoutMs,
    offerTimeoutMs: options.offerTimeoutMs,
    extensions: !options.plainMesos,
  };
}

/** Null when nobody leads or the store cannot say. */
function cachedLeader(store: PostgresMasterStore, now: () => number): () => Promise<string | null> {
  let asked: { readonly at: number; readonly answer: Promise<string | null> } | null = null;
  return () => {
    if (asked !== null && now() - asked.at < LEADER_CACHE_MS) return asked.answer;
    const answer = store.leader().then(
      (leader) => leader?.address ?? null,
      () => null, // Postgres is away: nobody can be named, clients try again.
    );
    asked = { at: now(), answer };
    return answer;
  };
}
