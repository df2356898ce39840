/** A schedule: drawn the same each time, each entry on its own, and the same again after it was written down. */
import { GROUPS } from './happenings.js';
import { drawSchedule } from './schedule.js';
import { parseSchedule, printSchedule } from './schedule-text.js';

const MINUTES = 5;

describe('a schedule', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(drawSchedule(3, MINUTES, GROUPS)).toEqual(drawSchedule(3, MINUTES, GROUPS));
    expect(drawSchedule(3, MINUTES, GROUPS).entries).not.toEqual(drawSchedule(4, MINUTES, GROUPS).entries);
  });

  it('keeps all other entries when a kind is gone', () => {
    const whole = drawSchedule(5, MINUTES, GROUPS);
    const [gone] = whole.entries;
    const fewer = GROUPS.map((group) => ({ ...group, happenings: group.happenings.filter((one) => one.name !== gone?.kind) }));
    expect(drawSchedule(5, MINUTES, fewer).entries).toEqual(whole.entries.filter((entry) => entry.kind !== gone?.kind));
  });

  it('is the same after it was written down and read', () => {
    const schedule = drawSchedule(6, MINUTES, GROUPS);
    expect(parseSchedule(`# found last night\n${printSchedule(schedule)}`)).toEqual(schedule);
  });

  it('says which line it cannot read', () => {
    expect(() => parseSchedule('# a comment\nsomething')).toThrow('line 2');
  });
});
