/**
 * Looks again for a container engine that was not there when the agent began: one that is started later is used without a restart of the agent.
 *
 * Looks are cheap and come at growing pauses, until one is found or the agent ends.
 */
import type { Log } from '@ekiden/model';

export const FIRST_LOOK_MS = 1_000;
export const LONGEST_PAUSE_MS = 30_000;

/** `look` answers what was found, or why nothing was. `found` is called once. */
export function awaitEngine<T>(look: () => Promise<T | readonly string[]>, found: (engine: T) => void, log: Log): { stop(): void } {
  let timer: NodeJS.Timeout | null = null;
  let isStopped = false;
  const next = (pauseMs: number): void => {
    timer = setTimeout(() => void lookOnce(pauseMs), pauseMs);
    timer.unref();
  };
  const lookOnce = async (pauseMs: number): Promise<void> => {
    const engine = await look();
    if (isStopped) return;
    if (!isReasons(engine)) return found(engine);
    log.debug('container-engine-not-found', { reasons: engine });
    next(Math.min(LONGEST_PAUSE_MS, pauseMs * 2));
  };
  next(FIRST_LOOK_MS);
  return {
    stop() {
      isStopped = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

const isReasons = (value: unknown): value is readonly string[] => Array.isArray(value);
