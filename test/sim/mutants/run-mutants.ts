/**
 * `npm run test:sim -- --mutants [name]`: shows that the simulator sees. One bug at a time is planted in the product, and hunted
 * with what caught it before, then with seeds, crash points and directed scenarios, until a promise breaks. The product as it is
 * has to pass the very trial that caught it.
 */
import { bundle } from './bundle.js';
import { MUTANTS } from './catalog.js';
import { Control } from './control.js';
import { hunt } from './hunter.js';
import type { Mutant } from './mutant.js';
import { runScenarios } from './scenario-hunter.js';
import { ALL_CRASH_POINTS, VIRTUAL_MINUTES, writeTrial } from './trials.js';

/** Tried after a mutant's hint, in this order. */
const SEEDS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8];
const SCENARIOS = 'scenarios:';
/** Mutants hunted at one time, each in a process of its own. */
const AT_ONCE = 2;

interface Verdict {
  readonly mutant: Mutant;
  readonly fate: 'caught' | 'survived' | 'broken';
  /** By what, and when; empty: by nothing. */
  readonly by: string;
  readonly text: string;
}

/** `only`: a mutant's name, or part of it; empty: all. Resolves with the exit code. */
export async function runMutants(only: string): Promise<number> {
  const chosen = MUTANTS.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) throw new Error(`no mutant is called ${only}: ${MUTANTS.map(({ name }) => name).join(', ')}`);
  const began = Date.now();
  const control = new Control(await bundle(null));
  const verdicts: Verdict[] = [];
  const left = [...chosen];
  const judgeAll = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const verdict = await judge(mutant, control);
      verdicts.push(verdict);
      console.log(tell(verdict));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, judgeAll));
  verdicts.sort((one, other) => chosen.indexOf(one.mutant) - chosen.indexOf(other.mutant));
  console.log(`\n${verdicts.map(row).join('\n')}`);
  const count = (fate: Verdict['fate']): number => verdicts.filter((one) => one.fate === fate).length;
  const seconds = ((Date.now() - began) / 1000).toFixed(0);
  console.log(`\nthe product as it is: ${await control.report()}`);
  console.log(`${count('caught')} caught, ${count('survived')} survived, ${count('broken')} broken in ${seconds} s`);
  console.log(`${count('caught')} passed, ${verdicts.length - count('caught')} failed`);
  return count('caught') === verdicts.length ? 0 : 1;
}

async function judge(mutant: Mutant, control: Control): Promise<Verdict> {
  const module = await bundle(mutant);
  for (const trials of hunts(mutant)) {
    const verdict = trials[0]?.startsWith(SCENARIOS) ? await huntWithScenarios(mutant, trials[0], control) : await huntWith(mutant, module, trials, control);
    if (verdict !== null) return verdict;
  }
  const tried = `${SEEDS.length} seeds of ${VIRTUAL_MINUTES} virtual minutes, every crash point and every scenario see nothing`;
  return { mutant, fate: 'survived', by: '', text: tried };
}

/** What is tried, in order; the trials of one list run in one process. */
function hunts({ weather, hint }: Mutant): readonly (readonly string[])[] {
  const seed = (one: number): string => writeTrial({ kind: 'seed', weather, seed: one });
  return [[typeof hint === 'number' ? seed(hint) : hint], SEEDS.filter((one) => one !== hint).map(seed), [ALL_CRASH_POINTS], [SCENARIOS]];
}

async function huntWith(mutant: Mutant, module: string, trials: readonly string[], control: Control): Promise<Verdict | null> {
  let left = trials;
  while (left.length > 0) {
    const outcome = await hunt(module, left);
    if (outcome.kind === 'crash') return { mutant, fate: 'broken', by: outcome.trial ?? '', text: outcome.text };
    if (outcome.kind === 'clean') return null;
    const { trial, virtualMs, text } = outcome;
    if (await control.passes(trial)) return { mutant, fate: 'caught', by: `${nameOf(trial)} at virtual ${clock(virtualMs)}`, text };
    left = left.slice(left.indexOf(trial) + 1 || left.length);
  }
  return null;
}

async function huntWithScenarios(mutant: Mutant, hint: string, control: Control): Promise<Verdict | null> {
  const file = hint.slice(SCENARIOS.length);
  for (const { scenario, seed, virtualMs, text } of await runScenarios(mutant, file)) {
    if (!(await control.passesScenario(file, scenario))) continue;
    return { mutant, fate: 'caught', by: `scenario "${scenario}" (seed ${seed}) at virtual ${clock(virtualMs)}`, text };
  }
  return null;
}

/** `seed 3 of wires`, `crash point roll short agent-1:4:after`. */
function nameOf(trial: string): string {
  const [kind, first = '', ...rest] = trial.split(':');
  return kind === 'seed' ? `seed ${rest.join()} of ${first}` : `crash point "${first}" ${rest.join(':')}`;
}

function tell({ mutant, fate, by, text }: Verdict): string {
  if (fate === 'caught') return `caught: ${mutant.name} by ${by}: ${text}`;
  return `${fate}: ${mutant.name} (${mutant.temptation})${by === '' ? '' : ` by ${by}`}: ${text}`;
}

const row = ({ mutant, fate, by }: Verdict): string => `${mutant.name.padEnd(44)} ${fate.padEnd(9)} ${by}`.trimEnd();

/** Minutes, seconds, milliseconds of the run. */
function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}.${String(ms % 1000).padStart(3, '0')}`;
}
