/**
 * Jest's words (`describe`, `it`, `expect` …) on top of Node's own test runner: what the suites of the isolation library need to run in
 * a guest that has Node and nothing else. Bundled with each suite (`pack-guest.ts`).
 */
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { format } from 'node:util';
import { expect } from 'expect';

type Body = (...values: unknown[]) => unknown;
interface Word {
  (name: string, body?: Body, timeoutMs?: number): void;
  each: (cases: readonly unknown[]) => (name: string, body: Body, timeoutMs?: number) => void;
  skip: Word;
}

/** Emulated processors are many times slower: no suite waits for so long where it does not hang. */
const TIMEOUT_MS = 120_000;

function withEach(run: (name: string, body: () => unknown) => void): Word {
  const word = ((name: string, body: Body = () => undefined) => run(name, () => body())) as Word;
  word.each = (cases) => (name, body) => {
    for (const one of cases) {
      const values = Array.isArray(one) ? (one as unknown[]) : [one];
      const places = name.match(/%[sdjio]/g)?.length ?? 0;
      run(format(name, ...values.slice(0, places)), () => body(...values));
    }
  };
  return word;
}

const words = {
  describe: withEach((name, body) => void describe(name, () => void body())),
  it: withEach((name, body) => void it(name, { timeout: TIMEOUT_MS }, async () => void (await body()))),
  beforeAll: before,
  afterAll: after,
  beforeEach,
  afterEach,
  expect,
};
words.describe.skip = withEach((name) => void describe(name, { skip: true }));
words.it.skip = withEach((name) => void it(name, { skip: true }));
Object.assign(globalThis, words);
