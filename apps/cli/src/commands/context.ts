/** What every command gets: the API, where to print, and how the user wants the answer. */
import type { Command } from 'commander';
import { ekidenApi, type EkidenApi } from '../api/ekiden-api.js';
import { readTarget } from '../api/http.js';
import { CliError } from '../cli-error.js';

/** How much there is to see at a time; asked anew for each drawing, since windows change. */
export interface Screen {
  rows(): number;
  columns(): number;
}

export interface Terminal {
  /** Results: stdout. */
  readonly out: (text: string) => void;
  /** Talk beside the result: stderr. */
  readonly tell: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** stderr is a terminal: a progress bar may move. */
  readonly isInteractive: boolean;
  /** What stdout is shown on; null: no terminal. */
  readonly screen: Screen | null;
  /** stdout shows colours. */
  readonly hasColours: boolean;
  readonly now: () => number;
  /** Ends the process' wait: set by a command that has an outcome other than 0. */
  readonly exitWith: (code: number) => void;
}

export interface Context extends Terminal {
  readonly api: EkidenApi;
  readonly json: boolean;
  /** Prints the answer as JSON with -o json, else as the text. */
  readonly print: (answer: unknown, text: () => string) => void;
}

export function contextOf(command: Command, terminal: Terminal): Context {
  const options: { api?: string; output?: string } = command.optsWithGlobals();
  if (options.output !== undefined && options.output !== 'json' && options.output !== 'text')
    throw new CliError(`-o ${options.output} is no format`, 'use -o json, or leave it out for text');
  const json = options.output === 'json';
  return {
    ...terminal,
    api: ekidenApi(readTarget(options.api, terminal.env)),
    json,
    print: (answer, text) => terminal.out(json ? JSON.stringify(answer, null, 2) : text()),
  };
}

/** Whole numbers from the command line. */
export function integer(text: string, name: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < min || value > max)
    throw new CliError(`${name} is "${text}", but has to be a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}`);
  return value;
}
