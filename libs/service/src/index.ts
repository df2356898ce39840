/** The shell of a process: options, logs, metrics, who may ask, who leads, how it stops. */
export { assertBindable, isLoopbackAddress, isLoopbackName } from './loopback.js';
export { makeStateDirectory, readTokenFile } from './files.js';
export { judgeRequest, whoAsks, type JudgedRequest, type RequestPolicy, type RequestRefusal } from './judge-request.js';
export { createLog, silentLog, type LogLevel, type LogOptions } from './log.js';
export {
  EVENT_STREAM,
  EVENT_STREAM_HEADERS,
  lastEventId,
  LOG_HEARTBEAT,
  LOG_HEARTBEAT_MS,
  logFrame,
  MAX_LOG_STALL_MS,
  wholeCharacters,
  type LogEvent,
} from './log-events.js';
export { newMetrics, type Metrics } from './metrics.js';
export { defineOptions, describeOptions, HelpRequested, OptionError, parseOptions, type Option, type OptionSchema, type OptionValues } from './options.js';
export { sendPaced, type Pace, type PacedEnd } from './paced-stream.js';
export { runService, service, STOP_TIMEOUT_MS, type ReadyMessage, type RunningService } from './run-service.js';
export { Secret } from './secret.js';
export { systemWorld } from './system-world.js';
export { CONNECTION_LIMITS, connectPostgres, isPostgresUnavailable, staleLeader, storeError, type ConnectOptions } from './postgres-connection.js';
export { awaitPostgres } from './await-postgres.js';
export { LEASE_MS, PostgresLeadership, type LeadershipOptions } from './postgres-leadership.js';
export { FencedSession, MAX_CONFLICT_RETRIES, type FencedSessionOptions, type FencedStatement } from './fenced-session.js';
export { EKIDEN_VERSION } from './version.js';
