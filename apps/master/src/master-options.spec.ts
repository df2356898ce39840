/** How pings follow from the options. */
import { masterOptions, pingsOf } from './master-options.js';

describe('pings', () => {
  it('come as often as the option says', () => {
    expect(pingsOf({ pingIntervalMs: masterOptions.pingIntervalMs.default, agentTimeoutMs: masterOptions.agentTimeoutMs.default })).toEqual({
      pingIntervalMs: 15_000,
      agentTimeoutMs: 75_000,
    });
  });

  it('come at least five times before a short timeout ends', () => {
    expect(pingsOf({ pingIntervalMs: 15_000, agentTimeoutMs: 3_000 }).pingIntervalMs).toBe(600);
  });
});
