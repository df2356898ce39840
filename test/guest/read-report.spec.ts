import { readReport, SUITE_BEGINS, SUITES_ENDED } from './read-report.js';

const counts = (pass: number, fail: number, cancelled: number, skipped: number): string =>
  [`ℹ tests 9`, `ℹ pass ${pass}`, `ℹ fail ${fail}`, `ℹ cancelled ${cancelled}`, `ℹ skipped ${skipped}`, 'ℹ todo 0'].join('\r\n');

it('counts the cases of each file, those that were given up as failed', () => {
  const said = [`boot`, `${SUITE_BEGINS} a.spec.ts`, '✔ one', counts(3, 0, 0, 1), `${SUITE_BEGINS} b.spec.ts`, counts(1, 2, 3, 0), SUITES_ENDED, ''].join(
    '\r\n',
  );
  const { suites, isComplete } = readReport(said);
  expect(isComplete).toBe(true);
  expect([...suites]).toEqual([
    ['a.spec.ts', { passed: 3, failed: 0, skipped: 1 }],
    ['b.spec.ts', { passed: 1, failed: 5, skipped: 0 }],
  ]);
});

it('knows nothing of a file that the guest did not come to the end of', () => {
  const { suites, isComplete } = readReport(`${SUITE_BEGINS} a.spec.ts\n✔ one\n`);
  expect([suites.size, isComplete]).toEqual([0, false]);
});
