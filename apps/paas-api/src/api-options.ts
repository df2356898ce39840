/** The options of paas-api: declared once, read by `main.ts`, printed by `--help`. */
import { defineOptions } from '@ekiden/service';

export const apiOptions = defineOptions({
  port: { type: 'int', default: 8080, min: 0, max: 65_535, env: 'EKIDEN_API_PORT', help: 'port of the API; 0 takes any free one' },
  bind: { type: 'string', default: '127.0.0.1', env: 'EKIDEN_API_BIND', help: 'address to listen on; other than loopback needs a token file' },
  advertise: { type: 'string', default: null, unit: 'host:port', env: 'EKIDEN_API_ADVERTISE', help: 'where other processes and people reach this one' },
  allowedHosts: {
    type: 'list',
    default: [],
    env: 'EKIDEN_API_ALLOWED_HOSTS',
    help: 'names under which this process is reached, beside loopback and the advertised one',
  },
  master: { type: 'list', default: ['http://127.0.0.1:5050'], env: 'EKIDEN_MASTER', unit: 'url,…', help: 'masters, tried in order; Ekiden’s or Mesos’' },
  masterTokenFile: { type: 'string', default: null, unit: 'file', env: 'EKIDEN_MASTER_TOKEN_FILE', help: 'token to join the master and to ask agents with' },
  tokenFile: {
    type: 'string',
    default: null,
    unit: 'file',
    env: 'EKIDEN_API_TOKEN_FILE',
    help: 'tokens that open the API, one a line; without it, loopback only',
  },
  databaseUrl: { type: 'secret', env: 'DATABASE_URL', help: 'PostgreSQL, as postgres://user:password@host/database' },
  redisUrl: { type: 'secret', default: null, env: 'REDIS_URL', help: 'Redis for later work; without it, the queue lives in Postgres' },
  frameworkName: { type: 'string', default: 'ekiden', env: 'EKIDEN_FRAMEWORK_NAME', help: 'name under which the master knows this framework' },
  role: { type: 'string', default: '*', env: 'EKIDEN_ROLE', help: 'role of apps that name none' },
  servicePortMin: { type: 'int', default: 10_000, min: 1, max: 65_535, help: 'lowest service port given to an app' },
  servicePortMax: { type: 'int', default: 20_000, min: 1, max: 65_535, help: 'highest service port given to an app' },
  maxRunningDeployments: { type: 'int', default: 100, min: 1, help: 'more are refused with 403' },
  killRetryMs: { type: 'int', default: 10_000, min: 100, unit: 'ms', help: 'a kill unanswered for so long is sent again' },
  launchTimeoutMs: { type: 'int', default: 300_000, min: 1_000, unit: 'ms', help: 'a launch that does not run by then is killed and repeated' },
  reconcileIntervalMs: { type: 'int', default: 600_000, min: 1_000, unit: 'ms', help: 'how often the master is asked about all tasks' },
  sweepIntervalMs: { type: 'int', default: 60_000, min: 100, unit: 'ms', help: 'how often every app is looked at again, should a wake-up have been missed' },
  declineMs: { type: 'int', default: 120_000, min: 0, unit: 'ms', help: 'for how long an unused offer is not made again' },
  failoverTimeoutMs: { type: 'int', default: 604_800_000, min: 1_000, unit: 'ms', help: 'for how long tasks wait for this framework to come back' },
  keepEvents: { type: 'int', default: 10_000, min: 1, help: 'events kept in the database' },
  keepDeployments: { type: 'int', default: 1_000, min: 1, help: 'ended deployments kept in the history' },
  logLevel: { type: 'string', default: 'info', choices: ['debug', 'info', 'warn', 'error'], env: 'EKIDEN_LOG_LEVEL', help: 'what is logged' },
});
