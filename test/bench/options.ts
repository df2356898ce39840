/** The benchmark's own arguments. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Null: all. */
  readonly only: ReadonlySet<string> | null;
  readonly quick: boolean;
  readonly jsonFile: string | null;
  readonly rounds: number;
  readonly contenders: ReadonlySet<string>;
}

const ROUNDS = 3;
const CONTENDERS = ['floor', 'pm2', 'ekiden'];

export const HELP = (figures: readonly string[]): string =>
  [
    'npm run bench -- [--only FIGURE,…] [--quick] [--json FILE] [--rounds N] [--contenders floor,pm2,ekiden]',
    '',
    `  --only        of ${figures.join(', ')}`,
    '  --quick       fewer and smaller, one round: does it work at all?',
    '  --json        writes the figures, each round of them included',
    `  --rounds      ${ROUNDS}; the median is shown`,
    '  --contenders  leave somebody out',
  ].join('\n');

/** Null when help was asked for. Throws naming what is wrong. */
export function readOptions(argv: readonly string[], figures: readonly string[]): BenchOptions | null {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      rounds: { type: 'string' },
      contenders: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const rounds = Number(values.rounds ?? (values.quick ? 1 : ROUNDS));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(`--rounds ${values.rounds} is not a number from 1 to 100`);
  return {
    only: values.only === undefined ? null : among('--only', values.only, figures),
    quick: values.quick,
    jsonFile: values.json ?? null,
    rounds,
    contenders: among('--contenders', values.contenders ?? CONTENDERS.join(','), CONTENDERS),
  };
}

function among(option: string, text: string, known: readonly string[]): ReadonlySet<string> {
  const named = text.split(',');
  const unknown = named.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${option} names "${unknown}"; there are ${known.join(', ')}`);
  return new Set(named);
}
