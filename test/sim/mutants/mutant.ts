/**
 * A mutant: one bug that a tired engineer could have written, as exact text of the product and what stands there instead.
 *
 * The text has to occur exactly once. When the product changes, its mutants change with it: one that does not apply is an
 * error, never a mutant that is left out.
 */
import type { Weather } from './weather.js';

export interface Edit {
  /** From the project's root. */
  readonly file: string;
  readonly text: string;
  readonly instead: string;
}

export interface Mutant {
  /** Kebab-case, unique. */
  readonly name: string;
  /** What was forgotten, or thought to be good enough. */
  readonly temptation: string;
  /** One, as a rule. More where two layers guard the same thing, and the bug is that neither does. */
  readonly edits: readonly Edit[];
  /** The bad luck that leads into its trap. */
  readonly weather: Weather;
  /**
   * What has caught it quickly: a seed of its weather, a trial (trials.ts), or a file of scenarios (`scenarios:races`). Tried first:
   * it orders the hunt and proves nothing.
   */
  readonly hint: number | string;
}

/** The text of `file` with the edits made in it. Throws when one does not apply. */
export function mutate(file: string, source: string, { name, edits }: Mutant): string {
  let text = source;
  for (const edit of edits) {
    if (edit.file !== file) continue;
    const parts = text.split(edit.text);
    if (parts.length !== 2) throw new Error(`mutant ${name}: its text occurs ${parts.length - 1} times in ${file}, not once:\n${edit.text}`);
    text = parts.join(edit.instead);
  }
  if (text === source) throw new Error(`mutant ${name} changes nothing in ${file}`);
  return text;
}

export const filesOf = ({ edits }: Mutant): readonly string[] => [...new Set(edits.map((edit) => edit.file))];
