/** A new suite of libs/isolation runs under control groups of version 2 as well, or says why not; quick, so that nobody waits a night for it. */
import { readdirSync } from 'node:fs';
import { COMMANDS, CONTAINERS, LEFT_OUT, SOURCES } from './suites.js';

it('leaves out no suite without a reason, and names none that is gone', () => {
  const found = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(nightly-)?spec\.ts$/.test(name));
  const run = [...COMMANDS, ...CONTAINERS].map(({ file }) => file.slice(SOURCES.length + 1));
  const reasons = Object.keys(LEFT_OUT);
  const isNamed = (name: string): boolean => run.includes(name) || reasons.some((each) => name === each || (each.endsWith('/') && name.startsWith(each)));
  expect(found.filter((name) => !isNamed(name))).toEqual([]);
  expect([...run, ...reasons].filter((each) => !found.some((name) => name === each || name.startsWith(each)))).toEqual([]);
});
