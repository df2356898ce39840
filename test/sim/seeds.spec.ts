/** A few short runs of the simulator for each change; `npm run test:sim` runs many and long ones. */
import { simulate } from './simulate.js';

const VIRTUAL_MINUTES = 3;
const TIMEOUT_MS = 120_000;

describe('a seed', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    '%d keeps every promise, and all is right after the faults',
    async (seed) => {
      const { failure } = await simulate(seed, VIRTUAL_MINUTES);
      expect(failure).toBeNull();
    },
    TIMEOUT_MS,
  );

  it(
    'gives the same run each time, to the byte',
    async () => {
      const first = await simulate(7, VIRTUAL_MINUTES);
      const again = await simulate(7, VIRTUAL_MINUTES);
      expect(again.hash).toBe(first.hash);
      expect(again.facts).toEqual(first.facts);
      const other = await simulate(8, VIRTUAL_MINUTES);
      expect(other.hash).not.toBe(first.hash);
    },
    TIMEOUT_MS,
  );
});
