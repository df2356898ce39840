/**
 * Turns Ctrl-C and friends into two promises: the first asks for an orderly end, the second for an immediate one.
 *
 * npm passes a signal on to its child, and the terminal sends it to both, so one Ctrl-C arrives here twice within
 * milliseconds: what follows that closely is the same one.
 */
const SAME_SIGNAL_MS = 400;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface StopSignals {
  readonly first: Promise<string>;
  readonly second: Promise<void>;
  /** Whether the first one has come. */
  readonly asked: boolean;
  forget(): void;
}

export function onStopSignals(): StopSignals {
  let firstAt: number | null = null;
  let first: (signal: string) => void = () => undefined;
  let second: () => void = () => undefined;
  const onSignal = (signal: string): void => {
    if (firstAt === null) {
      firstAt = performance.now();
      first(signal);
    } else if (performance.now() - firstAt > SAME_SIGNAL_MS) second();
  };
  const promises = { first: new Promise<string>((resolve) => (first = resolve)), second: new Promise<void>((resolve) => (second = resolve)) };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    ...promises,
    get asked() {
      return firstAt !== null;
    },
    forget: () => SIGNALS.forEach((signal) => process.off(signal, onSignal)),
  };
}
