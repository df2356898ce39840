/**
 * `?label=` of GET /v2/apps: terms joined by commas, all of which have to hold (Marathon: 6.1).
 *
 * `key` · `key==v` · `key!=v` · `key in (a, b)` · `key notin (a, b)`. A backslash takes the next character as it is.
 * `!=` and `notin` match only apps that have the label.
 */
import { EkidenError } from '@ekiden/model';

export type LabelSelector = (labels: Readonly<Record<string, string>>) => boolean;

type Token = { readonly kind: 'word'; readonly text: string } | { readonly kind: 'mark'; readonly text: '==' | '!=' | '(' | ')' | ',' };

const MAX_SELECTOR_LENGTH = 4_096;
const WORD = /[-A-Za-z0-9_.]/;

/** Throws `invalid-object` for a selector that cannot be read. */
export function parseLabelSelector(text: string): LabelSelector {
  if (text.length > MAX_SELECTOR_LENGTH) throw bad(text.slice(0, 40), `is longer than ${MAX_SELECTOR_LENGTH} characters`);
  const tokens = tokenize(text);
  const terms: LabelSelector[] = [];
  let at = 0;
  const word = (): string => {
    const token = tokens[at];
    if (token?.kind !== 'word') throw bad(text, `a name is expected ${whereIs(token)}`);
    at += 1;
    return token.text;
  };
  const takes = (mark: string): boolean => {
    const token = tokens[at];
    if (token?.kind !== 'mark' || token.text !== mark) return false;
    at += 1;
    return true;
  };
  const list = (): ReadonlySet<string> => {
    if (!takes('(')) throw bad(text, `"(" is expected ${whereIs(tokens[at])}`);
    const values = [word()];
    while (takes(',')) values.push(word());
    if (!takes(')')) throw bad(text, `")" is expected ${whereIs(tokens[at])}`);
    return new Set(values);
  };
  do {
    const key = word();
    const next = tokens[at];
    if (takes('==')) terms.push(matches(key, new Set([word()]), true));
    else if (takes('!=')) terms.push(matches(key, new Set([word()]), false));
    else if (next?.kind === 'word' && (next.text === 'in' || next.text === 'notin')) {
      at += 1;
      terms.push(matches(key, list(), next.text === 'in'));
    } else terms.push((labels) => Object.hasOwn(labels, key));
  } while (takes(','));
  if (at < tokens.length) throw bad(text, `the end is expected ${whereIs(tokens[at])}`);
  return (labels) => terms.every((term) => term(labels));
}

const matches =
  (key: string, values: ReadonlySet<string>, isIn: boolean): LabelSelector =>
  (labels) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    return value !== undefined && values.has(value) === isIn;
  };

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    const pair = text.slice(at, at + 2);
    if (/\s/.test(char)) at += 1;
    else if (pair === '==' || pair === '!=') {
      tokens.push({ kind: 'mark', text: pair });
      at += 2;
    } else if (char === '(' || char === ')' || char === ',') {
      tokens.push({ kind: 'mark', text: char });
      at += 1;
    } else {
      let word = '';
      for (;;) {
        const next = text.charAt(at);
        if (next === '\\' && at + 1 < text.length) {
          word += text.charAt(at + 1);
          at += 2;
        } else if (WORD.test(next)) {
          word += next;
          at += 1;
        } else break;
      }
      if (word === '') throw bad(text, `"${char}" needs a backslash in front`);
      tokens.push({ kind: 'word', text: word });
    }
  }
  return tokens;
}

const whereIs = (token: Token | undefined): string => (token === undefined ? 'at the end' : `where "${token.text}" stands`);

const bad = (selector: string, why: string): EkidenError =>
  new EkidenError('invalid-object', `Parse error of the label selector "${selector}": ${why}`, { selector });
