/** Files that hold secrets and state: token files are read, state directories are made for their owner only. */
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { OptionError } from './options.js';

/** A shorter token could be guessed. */
const MIN_TOKEN_LENGTH = 16;

/** The tokens of a file, one a line (several while one is being replaced); `#` starts a comment. Throws `OptionError`. */
export function readTokenFile(path: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new OptionError(`token file "${path}" cannot be read: check its path and mode`, { cause });
  }
  const tokens = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (tokens.length === 0) throw new OptionError(`token file "${path}" holds no token: write one a line`);
  for (const token of tokens) {
    if (/\s/.test(token)) throw new OptionError(`token file "${path}" holds a token with a blank: write one a line`);
    if (token.length < MIN_TOKEN_LENGTH)
      throw new OptionError(`token file "${path}" holds a token of ${token.length} characters: at least ${MIN_TOKEN_LENGTH} are needed`);
  }
  return tokens;
}

/** Makes a directory that only its owner may enter (0700), with its parents; narrows the mode of an existing one. */
export function makeStateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
}
