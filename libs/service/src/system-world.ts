/**
 * The world as it is: the system's clock, timers, randomness and ids, for the cores of production processes.
 *
 * The simulator hands the same ports in with virtual time (`test/sim`).
 */
import { randomUUID } from 'node:crypto';
import type { Log, Timer, World } from '@ekiden/model';

/** Node's timers hold 31 bits of milliseconds; a longer delay fires at once. Longer ones are slept in pieces. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export function systemWorld(log: Log): World {
  return {
    clock: { now: () => Date.now(), after },
    random: { next: () => Math.random() },
    ids: { uuid: () => randomUUID() },
    log,
  };
}

function after(delayMs: number, wake: () => void): Timer {
  if (delayMs <= 0) return nextTurn(wake);
  let left = delayMs;
  let timer: NodeJS.Timeout;
  const arm = () => {
    const piece = Math.min(left, MAX_TIMER_MS);
    left -= piece;
    timer = setTimeout(left > 0 ? arm : wake, piece);
  };
  arm();
  return { cancel: () => clearTimeout(timer) };
}

/** A timer of 0 ms takes at least 1 ms, which a crash would wait for at each hop. */
function nextTurn(wake: () => void): Timer {
  const immediate = setImmediate(wake);
  return { cancel: () => clearImmediate(immediate) };
}
