/** Reads app specs from a file or stdin: one app, or a list of them. The API judges their content. */
import { readFileSync } from 'node:fs';
import type { AppSpecFile } from '../api/ekiden-api.js';
import { CliError, messageOf, systemErrorCode } from '../cli-error.js';

const STDIN = 0;

export function readSpecs(file: string): readonly AppSpecFile[] {
  let text: string;
  try {
    text = readFileSync(file === '-' ? STDIN : file, 'utf8');
  } catch (error) {
    throw new CliError(
      `cannot read ${file} (${systemErrorCode(error) ?? messageOf(error)})`,
      'name a file with an app spec, or - for stdin; examples/ has some',
      1,
      { cause: error },
    );
  }
  return parseSpecs(text, file === '-' ? 'stdin' : file);
}

/** Pure. Throws a `CliError` that names the place in the text. */
export function parseSpecs(text: string, name: string): readonly AppSpecFile[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CliError(`${name} is not JSON: ${messageOf(error)}`, 'look there for a missing comma, quote or bracket');
  }
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw new CliError(`${name} holds an empty list`, 'put at least one app into it');
  return list.map((entry, i) => {
    const where = Array.isArray(value) ? `app ${i + 1} of ${name}` : name;
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
      throw new CliError(`${where} is no app: an object is needed`, 'examples/web.json shows one');
    const fields: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(entry));
    if (typeof fields.id !== 'string' || fields.id === '') throw new CliError(`${where} has no id`, 'add one, like "id": "/shop/web"');
    return { ...fields, id: fields.id };
  });
}
