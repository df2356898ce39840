/** Lets a few launches through in each turn of the event loop, so that a burst of them delays no heartbeat or health check. */

/** A launch is about half a millisecond of synchronous file work. */
const LAUNCHES_PER_TURN = 4;
/** More than an agent can have tasks. */
const MAX_WAITING = 10_000;

/** Await the returned function before the work. Rejects when too many wait already. */
export function createTurnGate(): () => Promise<void> {
  let passed = 0;
  const waiting: (() => void)[] = [];

  const pass = (resolve: () => void): void => {
    passed += 1;
    if (passed === 1) setImmediate(nextTurn);
    resolve();
  };
  const nextTurn = (): void => {
    passed = 0;
    for (const resolve of waiting.splice(0, LAUNCHES_PER_TURN)) pass(resolve);
  };

  return () =>
    new Promise((resolve, reject) => {
      if (waiting.length >= MAX_WAITING) reject(new Error(`${MAX_WAITING} launches wait already: try again later`));
      else if (passed < LAUNCHES_PER_TURN) pass(resolve);
      else waiting.push(resolve);
    });
}
