/** The named bounds of the HTTP layer. */

/** A request's body. Above a command of 1 MB, so that such a one is told about the kernel's limit instead. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** How long the rest of a body that is too large is read and dropped after the answer; then the connection ends. */
export const MAX_DROP_MS = 5_000;
/** Streams of `/v2/events` at a time; more get 503 (decision 21). */
export const MAX_SUBSCRIBERS = 1_000;
/** A subscriber with more unsent bytes than this is cut off. */
export const MAX_UNSENT_BYTES = 1024 * 1024;
/** A subscriber that takes no byte for so long while some wait is cut off. */
export const MAX_STALL_MS = 10_000;
/** An empty line this often keeps streams alive. */
export const HEARTBEAT_MS = 10_000;
/** How long another part of Ekiden may take to answer what we pass on. */
export const UPSTREAM_TIMEOUT_MS = 10_000;
/** Bytes of a log in one answer. */
export const MAX_LOG_BYTES = 1024 * 1024;
/** An agent whose log is followed says something more often than this, or is away. */
export const UPSTREAM_IDLE_MS = 20_000;
/** Before an agent that broke off is asked for the rest of a log. */
export const LOG_RESUME_MS = 1_000;
/** How often in a row it is asked: a minute. */
export const MAX_LOG_RESUMES = 60;
/** One event of a log from an agent: a piece of it in base64 and as text, escaped. */
export const MAX_LOG_EVENT_BYTES = 1024 * 1024;
/** Logs that are followed at a time. */
export const MAX_FOLLOWERS = 200;
/** Entries of the deployment history in one answer. */
export const MAX_HISTORY = 1_000;
/** Agents that are asked for statistics at a time. */
export const AGENTS_ASKED_AT_ONCE = 32;
/** How long one agent may take to say what its tasks use. */
export const STATISTICS_TIMEOUT_MS = 3_000;
/** And all of them: agents that were not asked by then are named as unanswered. */
export const STATISTICS_DEADLINE_MS = 8_000;
/** Of one agent's answer: 5,000 tasks have less. */
export const MAX_STATISTICS_BYTES = 8 * 1024 * 1024;
/** Tasks in one answer about statistics. */
export const MAX_STATISTICS_TASKS = 5_000;
/** Commands that are being run in tasks at a time. */
export const MAX_EXEC_SESSIONS = 200;
/** Of what another part says when it refuses. */
export const MAX_REFUSAL_BYTES = 64 * 1024;
