/**
 * The life of a process: start, one orderly stop, and an end that is never waited for too long.
 *
 * Stops on SIGTERM or SIGINT, and when the parent that started it over an IPC channel is gone (decision 22). A signal while
 * it still starts, a second signal, or a stop that takes too long end it at once: every part is built to be killed.
 */
import type { Log } from '@ekiden/model';
import { createLog } from './log.js';
import { HelpRequested, OptionError } from './options.js';

/** How long `stop` may take until the process ends anyway. */
export const STOP_TIMEOUT_MS = 10_000;

export interface RunningService {
  stop(): Promise<void>;
}

/** What the parent is told over IPC when the process serves. */
export interface ReadyMessage {
  readonly ready: true;
  readonly url: string;
}

export const service = {
  /** Tells the parent (if it listens) that the process serves at `url`. */
  ready(url: string): void {
    const message: ReadyMessage = { ready: true, url };
    if (process.connected) process.send?.(message);
  },
};

/** Runs `main` and ends the process when it is told to. Exit codes: 0 stopped, 1 broken, 2 wrong options. */
export function runService(name: string, main: () => Promise<RunningService>, log: Log = createLog({ name })): void {
  let running: RunningService | null = null;
  let isStopping = false;

  const stop = (why: string): void => {
    if (isStopping) return end(1, 'service-killed', { why });
    isStopping = true;
    if (running === null) return end(0, 'service-stopped', { why, during: 'start' });
    log.info('service-stopping', { why });
    setTimeout(() => end(1, 'service-stop-overdue', { timeoutMs: STOP_TIMEOUT_MS }), STOP_TIMEOUT_MS).unref();
    running.stop().then(
      () => end(0, 'service-stopped', { why }),
      (error: unknown) => end(1, 'service-stop-failed', { error }),
    );
  };
  const end = (code: number, event: string, fields: Readonly<Record<string, unknown>>): void => {
    if (code === 0) log.info(event, fields);
    else log.error(event, fields);
    process.exit(code);
  };

  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  if (process.connected) process.on('disconnect', () => stop('parent gone'));
  // It may have gone while our modules were loaded, and does not say so twice.
  else if (process.send !== undefined) return stop('parent gone');
  process.on('uncaughtException', (error) => end(1, 'service-broken', { error }));
  process.on('unhandledRejection', (error) => end(1, 'service-broken', { error }));
  main().then(
    (started) => {
      running = started;
    },
    (error: unknown) => {
      if (error instanceof HelpRequested) {
        process.stdout.write(error.text + '\n');
        process.exit(0);
      }
      if (error instanceof OptionError) {
        process.stderr.write(`${name}: ${error.message}\n`);
        process.exit(2);
      }
      end(1, 'service-start-failed', { error });
    },
  );
}
