/** Pauses that grow while something is away, and end at once when it is known to be back. */
export interface BackOff {
  wait(): Promise<void>;
  wake(): void;
  /** The next pause is the first again. */
  reset(): void;
}

const FIRST_PAUSE_MS = 100;
export const LONGEST_PAUSE_MS = 5_000;

export function createBackOff(): BackOff {
  let pause = FIRST_PAUSE_MS;
  const waiting = new Set<() => void>();
  return {
    wait: () =>
      new Promise((resolve) => {
        const over = (): void => {
          clearTimeout(timer);
          waiting.delete(over);
          resolve();
        };
        const timer = setTimeout(over, pause);
        // An agent that stops does not wait for it.
        timer.unref();
        waiting.add(over);
        pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
      }),
    wake() {
      pause = FIRST_PAUSE_MS;
      for (const over of waiting) over();
    },
    reset() {
      pause = FIRST_PAUSE_MS;
    },
  };
}
