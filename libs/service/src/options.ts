/**
 * Options of a process: declared once, read once, printed by `--help` and by docs/reference.
 *
 * A flag wins over the environment, the environment over the default. A wrong or unknown option stops the start and is
 * named. Secrets come from the environment (`X`) or a file (`X_FILE`) only: an argument can be read by every process.
 */
import { readFileSync } from 'node:fs';
import { Secret } from './secret.js';

interface Declared {
  /** One sentence. */
  readonly help: string;
  /** The environment variable. */
  readonly env?: string;
  /** Printed after the type: `ms`, `MiB`. */
  readonly unit?: string;
  /** Default: the key in kebab-case. */
  readonly flag?: string;
}

/** `default: null` makes an option that may be absent; no default at all makes a required one. */
export type Option =
  | (Declared & { readonly type: 'int' | 'number'; readonly default?: number | null; readonly min?: number; readonly max?: number })
  | (Declared & { readonly type: 'string'; readonly default?: string | null; readonly choices?: readonly string[] })
  | (Declared & { readonly type: 'boolean'; readonly default?: boolean | null })
  | (Declared & { readonly type: 'list'; readonly default?: readonly string[] | null })
  | (Declared & { readonly type: 'secret'; readonly env: string; readonly default?: null });

export type OptionSchema = Readonly<Record<string, Option>>;

interface ValueOf {
  readonly int: number;
  readonly number: number;
  readonly string: string;
  readonly boolean: boolean;
  readonly list: readonly string[];
  readonly secret: Secret;
}

export type OptionValues<S extends OptionSchema> = {
  readonly [K in keyof S]: ValueOf[S[K]['type']] | (S[K] extends { readonly default: null } ? null : never);
};

/** A wrong, missing or unknown option; the message names it, the rule and the way out. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/** `--help` was asked for; `text` is to be printed. `runService` does so. */
export class HelpRequested extends Error {
  override readonly name: string = 'HelpRequested';
  constructor(readonly text: string) {
    super('help requested');
  }
}

/** Only types: keeps the literal types of the schema. */
export const defineOptions = <const S extends OptionSchema>(schema: S): S => schema;

/** Reads all options. Throws `OptionError`, or `HelpRequested` when `--help` or `-h` is among the arguments. */
export function parseOptions<S extends OptionSchema>(schema: S, argv: readonly string[], env: Readonly<Record<string, string | undefined>>): OptionValues<S> {
  if (argv.includes('--help') || argv.includes('-h')) throw new HelpRequested(describeOptions(schema));
  const flags = readFlags(schema, argv);
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(schema)) {
    const text = flags.get(key) ?? fromEnvironment(option, env);
    if (text !== undefined) values[key] = readValue(nameOf(key, option), option, text);
    else if (option.default !== undefined) values[key] = option.default;
    else throw new OptionError(`${nameOf(key, option)} is required: ${option.help}`);
  }
  return values as OptionValues<S>; // every key was set above to a value of its declared type
}

/** The text of `--help`: an aligned line an option. */
export function describeOptions(schema: OptionSchema): string {
  const rows = Object.entries(schema).map(([key, option]) => {
    const left =
      option.type === 'secret'
        ? `${option.env} or ${option.env}_FILE`
        : `--${flagOf(key, option)}${option.type === 'boolean' ? '' : ` <${option.unit ?? option.type}>`}`;
    const notes = [
      option.type !== 'secret' && option.env !== undefined ? `env ${option.env}` : null,
      option.type === 'string' && option.choices ? `one of ${option.choices.join(', ')}` : null,
      option.default === undefined ? 'required' : option.default === null ? null : `default ${JSON.stringify(option.default)}`,
    ].filter((note) => note !== null);
    return { left, right: option.help + (notes.length > 0 ? ` (${notes.join('; ')})` : '') };
  });
  const width = Math.max(0, ...rows.map((row) => row.left.length));
  return rows.map((row) => `  ${row.left.padEnd(width)}  ${row.right}`).join('\n');
}

function readFlags(schema: OptionSchema, argv: readonly string[]): Map<string, string> {
  const keys = new Map(Object.entries(schema).map(([key, option]) => [flagOf(key, option), key]));
  const found = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(word);
    if (!match) throw new OptionError(`unexpected argument "${word}": options are written --name value or --name=value; see --help`);
    const given = match[1] ?? '';
    const negated = given.startsWith('no-') && schema[keys.get(given.slice(3)) ?? '']?.type === 'boolean';
    const key = keys.get(negated ? given.slice(3) : given);
    const option = key === undefined ? undefined : schema[key];
    if (key === undefined || option === undefined) throw new OptionError(`--${given} is no option here: ${suggest(given, [...keys.keys()])}`);
    if (option.type === 'secret')
      throw new OptionError(`--${given} is a secret and not read from arguments, which others can see: set ${option.env} or ${option.env}_FILE`);
    if (found.has(key) && option.type !== 'list') throw new OptionError(`--${given} was given twice: give it once`);
    let value = match[2];
    if (negated) {
      if (value !== undefined) throw new OptionError(`--${given} takes no value`);
      value = 'false';
    } else if (option.type === 'boolean') {
      value ??= argv[i + 1] === 'true' || argv[i + 1] === 'false' ? argv[++i] : 'true';
    } else if (value === undefined) {
      value = argv[++i];
      if (value === undefined || value.startsWith('--')) throw new OptionError(`--${given} needs a value (${option.unit ?? option.type})`);
    }
    found.set(key, found.has(key) ? `${found.get(key)},${value ?? ''}` : (value ?? ''));
  }
  return found;
}

function fromEnvironment(option: Option, env: Readonly<Record<string, string | undefined>>): string | undefined {
  if (option.env === undefined) return undefined;
  const direct = env[option.env];
  if (direct !== undefined && direct !== '') return direct;
  const file = option.type === 'secret' ? env[`${option.env}_FILE`] : undefined;
  if (file === undefined || file === '') return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new OptionError(`${option.env}_FILE names "${file}", which cannot be read`, { cause });
  }
}

function readValue(name: string, option: Option, text: string): unknown {
  switch (option.type) {
    case 'int':
    case 'number':
      return readNumber(name, option, text);
    case 'string':
      if (option.choices && !option.choices.includes(text)) throw new OptionError(`${name} is "${text}", but has to be one of ${option.choices.join(', ')}`);
      return text;
    case 'boolean':
      if (text === 'true' || text === '1') return true;
      if (text === 'false' || text === '0') return false;
      throw new OptionError(`${name} is "${text}", but has to be true or false`);
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    case 'secret':
      return new Secret(text);
  }
}

function readNumber(name: string, option: Option & { type: 'int' | 'number' }, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const what = option.type === 'int' ? 'an integer' : 'a number';
  if (!Number.isFinite(value) || (option.type === 'int' && !Number.isSafeInteger(value))) throw new OptionError(`${name} is "${text}", but has to be ${what}`);
  if (option.min !== undefined && value < option.min) throw new OptionError(`${name} is ${value}, but has to be at least ${option.min}`);
  if (option.max !== undefined && value > option.max) throw new OptionError(`${name} is ${value}, but has to be at most ${option.max}`);
  return value;
}

const flagOf = (key: string, option: Option): string => option.flag ?? key.replace(/[A-Z]/g, (letter) => '-' + letter.toLowerCase());

const nameOf = (key: string, option: Option): string =>
  option.type === 'secret' ? option.env : `--${flagOf(key, option)}${option.env === undefined ? '' : ` (${option.env})`}`;

function suggest(given: string, flags: readonly string[]): string {
  const near = flags.filter((flag) => flag.includes(given) || given.includes(flag)).slice(0, 3);
  return near.length > 0 ? `did you mean ${near.map((flag) => '--' + flag).join(', ')}?` : 'see --help';
}
