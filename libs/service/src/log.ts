/**
 * Logs as events: one JSON line each on stdout, with ids as fields; readable text when stdout is a terminal.
 *
 * The message is the event's name (key `event`), so that lines are found by it and counted; everything variable is a field.
 */
import { pino, type DestinationStream, type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { Log } from '@ekiden/model';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  /** The process: `paas-api`, `master`, `agent`. */
  readonly name: string;
  readonly level?: LogLevel;
  /** Default: true when stdout is a terminal. */
  readonly pretty?: boolean;
  /** Default: stdout. */
  readonly destination?: DestinationStream;
}

export function createLog(options: LogOptions): Log {
  const readable = options.pretty ?? (options.destination === undefined && process.stdout.isTTY);
  const destination = options.destination ?? pino.destination({ fd: 1, sync: true });
  const logger = pino(
    {
      name: options.name,
      level: options.level ?? 'info',
      messageKey: 'event',
      base: { name: options.name, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
    },
    readable ? pretty({ messageKey: 'event', colorize: process.stdout.isTTY, ignore: 'pid,name', sync: true }) : destination,
  );
  return asLog(logger);
}

/** A log that writes nothing, for tests and for tools that print by themselves. */
export const silentLog: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {
  // Nothing is written on purpose.
}

function asLog(logger: Logger): Log {
  return {
    debug: (event, fields) => logger.debug(fields ?? {}, event),
    info: (event, fields) => logger.info(fields ?? {}, event),
    warn: (event, fields) => logger.warn(fields ?? {}, event),
    error: (event, fields) => logger.error(fields ?? {}, event),
  };
}
