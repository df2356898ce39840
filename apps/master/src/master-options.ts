/** What an operator can say to a master; `--help` prints this table. */
import { defineOptions } from '@ekiden/service';

export const masterOptions = defineOptions({
  port: { type: 'int', default: 5050, min: 0, max: 65_535, env: 'EKIDEN_MASTER_PORT', help: 'port of the master; 0 takes any free one' },
  bind: { type: 'string', default: '127.0.0.1', unit: 'ip', env: 'EKIDEN_MASTER_BIND', help: 'address to listen on; other than loopback needs a token file' },
  hostname: {
    type: 'string',
    default: null,
    env: 'EKIDEN_MASTER_HOSTNAME',
    help: 'name or address at which agents and frameworks reach this master; default: the one bound',
  },
  allowedHosts: { type: 'list', default: [], env: 'EKIDEN_MASTER_ALLOWED_HOSTS', help: 'further names under which this master is reached' },
  databaseUrl: { type: 'secret', env: 'DATABASE_URL', help: 'PostgreSQL, as postgres://user:password@host/database' },
  tokenFile: {
    type: 'string',
    default: null,
    unit: 'file',
    env: 'EKIDEN_MASTER_TOKEN_FILE',
    help: 'tokens of agents and frameworks, one a line; without it, loopback only',
  },
  agentTimeoutMs: {
    type: 'int',
    default: 75_000,
    min: 1_000,
    unit: 'ms',
    env: 'EKIDEN_AGENT_TIMEOUT_MS',
    help: 'an agent that answers no ping for so long is unreachable',
  },
  agentReregisterTimeoutMs: {
    type: 'int',
    default: 75_000,
    min: 1_000,
    unit: 'ms',
    env: 'EKIDEN_AGENT_REREGISTER_TIMEOUT_MS',
    help: 'an agent whose link broke, or that is awaited by a new master, is unreachable after it',
  },
  pingIntervalMs: { type: 'int', default: 15_000, min: 100, unit: 'ms', help: 'between pings to an agent; at most a fifth of the agent timeout' },
  heartbeatIntervalMs: { type: 'int', default: 5_000, min: 100, max: 10_000, unit: 'ms', help: 'between heartbeats on a scheduler stream' },
  offerTimeoutMs: { type: 'int', default: 30_000, min: 100, unit: 'ms', help: 'an offer not answered by then is rescinded' },
  plainMesos: { type: 'boolean', default: false, env: 'EKIDEN_PLAIN_MESOS', help: 'announce and pass on nothing beyond Mesos' },
  logLevel: { type: 'string', default: 'info', choices: ['debug', 'info', 'warn', 'error'], env: 'EKIDEN_LOG_LEVEL', help: 'what is logged' },
});

/** An agent is asked at least so often before it is given up. */
const MIN_PINGS = 5;

/** How often an agent is asked, and after how long a silence it is unreachable. */
export const pingsOf = ({ pingIntervalMs, agentTimeoutMs }: Pings): Pings => ({
  pingIntervalMs: Math.min(pingIntervalMs, Math.floor(agentTimeoutMs / MIN_PINGS)),
  agentTimeoutMs,
});

interface Pings {
  readonly pingIntervalMs: number;
  readonly agentTimeoutMs: number;
}
