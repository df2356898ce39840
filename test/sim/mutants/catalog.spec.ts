/** The list cannot rot: each mutant applies to the product as it is, and the simulator runs what it changes. */
import { readFileSync } from 'node:fs';
import { MUTANTS } from './catalog.js';
import { filesOf, mutate } from './mutant.js';

it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s applies', (_name, mutant) => {
  for (const file of filesOf(mutant)) expect(() => mutate(file, readFileSync(file, 'utf8'), mutant)).not.toThrow();
});

it('has a name for each', () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
});

it('refuses a text that occurs twice, or never', () => {
  const twice = { name: 'twice', temptation: '', weather: 'tasks' as const, hint: 1, edits: [{ file: 'a.ts', text: 'x', instead: 'y' }] };
  expect(() => mutate('a.ts', 'x x', twice)).toThrow('occurs 2 times');
  expect(() => mutate('a.ts', 'z', twice)).toThrow('occurs 0 times');
});
