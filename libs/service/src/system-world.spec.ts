import { silentLog } from './log.js';
import { systemWorld } from './system-world.js';

const { clock } = systemWorld(silentLog);

/** Resolves with what has been told once the moment of `delayMs` has come. */
const told = (delayMs: number, tell: (told: string[]) => void): Promise<string[]> =>
  new Promise((resolve) => {
    const said: string[] = [];
    tell(said);
    clock.after(delayMs, () => resolve(said));
  });

describe('the clock of the system', () => {
  it.each([0, 5])('wakes after %i ms, in the order of asking, never in the same turn', async (delayMs) => {
    const said = await told(delayMs, (said) => {
      clock.after(delayMs, () => said.push('first'));
      clock.after(delayMs, () => said.push('second'));
      said.push('now');
    });
    expect(said).toEqual(['now', 'first', 'second']);
  });

  it.each([-1, 0, 5])('does not wake who cancelled (%i ms)', async (delayMs) => {
    const said = await told(Math.max(0, delayMs), (said) => clock.after(delayMs, () => said.push('woken')).cancel());
    expect(said).toEqual([]);
  });
});
