/**
 * Ends whatever the benchmark started, in the opposite order, once: after the last figure, after an error, on Ctrl-C, and
 * when the process that started the benchmark is gone.
 */
type Ending = () => Promise<void> | void;

export interface Endings {
  add(what: string, end: Ending): void;
  /** Ends everything; what fails to end is said and does not keep the rest. Answers whether all ended well. */
  endAll(): Promise<boolean>;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const INTERRUPTED = 130;

export function createEndings(): Endings {
  const endings: { what: string; end: Ending }[] = [];
  let ending: Promise<boolean> | null = null;

  const endEach = async (): Promise<boolean> => {
    let clean = true;
    for (let last = endings.pop(); last !== undefined; last = endings.pop()) {
      try {
        await last.end();
      } catch (error) {
        clean = false;
        process.stderr.write(`ending ${last.what}: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
    return clean;
  };
  const endAll = (): Promise<boolean> => (ending ??= endEach());
  const interrupted = (): void => {
    if (ending === null) process.stderr.write('\ninterrupted: ending what was started …\n');
    void endAll().then(() => process.exit(INTERRUPTED));
  };
  for (const signal of SIGNALS) process.on(signal, interrupted);
  process.on('disconnect', interrupted);

  return {
    add(what, end) {
      // What comes up while everything ends, ends at once.
      if (ending !== null) void ending.then(end);
      else endings.push({ what, end });
    },
    endAll,
  };
}
