/** What the serial line of a guest says about the suites that it has run. Pure. */

/** Before each suite, with its file. */
export const SUITE_BEGINS = 'SUITE-BEGINS';
/** After the last one. */
export const SUITES_ENDED = 'SUITES-ENDED';

export interface SuiteReport {
  readonly passed: number;
  readonly failed: number;
  /** Also cases that were given up, and those that a suite leaves out. */
  readonly skipped: number;
}

export interface GuestReport {
  /** By file; one that said nothing at its end is not in here. */
  readonly suites: ReadonlyMap<string, SuiteReport>;
  /** Whether the guest came to its end. */
  readonly isComplete: boolean;
}

export function readReport(said: string): GuestReport {
  const [, ...parts] = said.replaceAll('\r', '').split(`${SUITE_BEGINS} `);
  const suites = parts.flatMap((part) => {
    const count = (what: string): number => Number(new RegExp(`^ℹ ${what} (\\d+)$`, 'm').exec(part)?.[1] ?? Number.NaN);
    const [passed, failed] = [count('pass'), count('fail') + count('cancelled')];
    const report = { passed, failed, skipped: count('skipped') + count('todo') };
    return Number.isNaN(passed + failed + report.skipped) ? [] : [[part.slice(0, part.indexOf('\n')), report] as const];
  });
  return { suites: new Map(suites), isComplete: said.includes(SUITES_ENDED) };
}
