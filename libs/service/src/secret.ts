/**
 * A value that must not appear in logs, errors, `--help` or JSON: it prints as `***`.
 *
 * The only way to the text is `reveal()`, so every use of a password or token can be found by its name.
 */
import { inspect } from 'node:util';

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself. Hand it straight to the driver or header that needs it; do not keep it. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect.custom](): string {
    return '***';
  }
}
