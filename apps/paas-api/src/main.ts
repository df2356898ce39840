/**
 * paas-api as a process: real ports for the core, the HTTP layer on top, and retention in the background.
 *
 * It listens before it leads, so that a standby answers; it ends when it leads no longer, and is started again by its parent.
 */
import { hostname, userInfo } from 'node:os';
import { httpTransport } from '@ekiden/framework-sdk';
import type { Log } from '@ekiden/model';
import { openLater } from '@ekiden/queue';
import {
  EKIDEN_VERSION,
  assertBindable,
  createLog,
  newMetrics,
  OptionError,
  parseOptions,
  readTokenFile,
  runService,
  service,
  systemWorld,
  type LogLevel,
  type OptionValues,
} from '@ekiden/service';
import { apiOptions } from './api-options.js';
import { createPaasApi } from './create-paas-api.js';
import { openHttp, type OpenHttp } from './http/open-http.js';
import type { Rim } from './http/rim.js';
import type { PaasApi, PaasConfig } from './paas-api.js';
import { MAX_VERSIONS_PER_APP } from './store/paas-store.js';
import { openPostgresPaasStore } from './store/postgres-store.js';
import { keepPruning, knowingEpoch } from './store/retention.js';

type Options = OptionValues<typeof apiOptions>;

const MAX_LAUNCHES_PER_ACCEPT = 100;

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

runService('paas-api', async () => {
  const options = parseOptions(apiOptions, process.argv.slice(2), process.env);
  const log = createLog({ name: 'paas-api', level: LEVELS.find((level) => level === options.logLevel) ?? 'info' });
  const tokens = options.tokenFile === null ? [] : readTokenFile(options.tokenFile);
  assertBindable(options.bind, tokens);
  const clusterToken = options.masterTokenFile === null ? null : (readTokenFile(options.masterTokenFile)[0] ?? null);

  const postgres = await openPostgresPaasStore({ connectionString: options.databaseUrl.reveal(), log });
  const led = knowingEpoch(postgres);
  const transport = httpTransport({ masters: options.master, token: clusterToken, log });
  const config: OwnConfig = configOf(options);
  const allowedHosts = [...options.allowedHosts];
  const api = createPaasApi({ ...systemWorld(log), config, store: led.store, transport });
  const rim: Rim = {
    api,
    config,
    leader: async () => (api.isLeading ? { address: config.address } : postgres.leader()),
    abdicate: () => void api.stop(),
    clock: systemWorld(log).clock,
    log,
    metrics: newMetrics('ekiden'),
    policy: { allowedHosts, tokens, contentTypes: [], openPaths: ['/ping', '/docs', '/docs/*'] },
    masters: options.master,
    clusterToken,
    fetch,
    buildVersion: EKIDEN_VERSION,
  };
  const http = await listen(rim, options);
  if (options.advertise === null) config.address = `${advertisedHost(options)}:${new URL(http.url).port}`;
  allowedHosts.push(config.address);
  log.info('listening', { url: http.url });

  let isStopping = false;
  const retention = lead(api, options, led, http.url, log);
  void api.stopped.then(({ why }) => {
    if (isStopping) return;
    log.error('leads-no-longer', { why });
    process.exit(1);
  });
  return {
    stop: async () => {
      isStopping = true;
      await http.close();
      await api.stop();
      await (await retention)?.close();
      await transport.close();
      await postgres.close();
    },
  };
});

/** An address that is taken is a wrong option, in one line. */
async function listen(rim: Rim, options: Options): Promise<OpenHttp> {
  try {
    return await openHttp(rim, { host: options.bind, port: options.port });
  } catch (cause) {
    if (!(cause instanceof Error) || !('code' in cause) || (cause.code !== 'EADDRINUSE' && cause.code !== 'EACCES' && cause.code !== 'EADDRNOTAVAIL'))
      throw cause;
    throw new OptionError(`--port ${options.port} cannot be used on ${options.bind} (${cause.code}): choose another with --port, or stop what listens there`, {
      cause,
    });
  }
}

/** Waits to lead; then says that it serves, and keeps the database small. Null when it never led. */
async function lead(api: PaasApi, options: Options, led: ReturnType<typeof knowingEpoch>, url: string, log: Log) {
  await api.start();
  service.ready(url);
  log.info('leading', { url, epoch: led.epoch() });
  const limits = { events: options.keepEvents, deployments: options.keepDeployments, versionsPerApp: MAX_VERSIONS_PER_APP };
  try {
    const later = await openLater({ databaseUrl: options.databaseUrl, redisUrl: options.redisUrl, log });
    await keepPruning(later, led, limits, log);
    return later;
  } catch (error) {
    // Apps run without it: the database grows until the next start.
    log.error('retention-not-started', { error });
    return null;
  }
}

/** Mutable for one reason: a port asked for as 0 is known only once it is bound. */
type OwnConfig = { -readonly [K in keyof PaasConfig]: PaasConfig[K] };

const advertisedHost = ({ bind }: Options): string => (bind === '0.0.0.0' || bind === '::' ? hostname() : bind);

function configOf(options: Options): PaasConfig {
  return {
    address: options.advertise ?? `${advertisedHost(options)}:${options.port}`,
    hostname: hostname(),
    frameworkName: options.frameworkName,
    user: userInfo().username,
    role: options.role,
    failoverTimeoutMs: options.failoverTimeoutMs,
    servicePorts: { min: options.servicePortMin, max: options.servicePortMax },
    maxRunningDeployments: options.maxRunningDeployments,
    killRetryMs: options.killRetryMs,
    launchTimeoutMs: options.launchTimeoutMs,
    reconcileIntervalMs: options.reconcileIntervalMs,
    sweepIntervalMs: options.sweepIntervalMs,
    declineMs: options.declineMs,
    maxLaunchesPerAccept: MAX_LAUNCHES_PER_ACCEPT,
  };
}
