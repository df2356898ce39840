/**
 * Jest's words (`describe`, `it`, `expect` …) on top of Node's own test runner: what the suites of the isolation library need to run in
 * a guest that has Node and nothing else. Bundled with each suite (`pack-guest.ts`).
 */
import { after, afterEach, before, beforeEach, describe, it, mock } from 'node:test';
import { format } from 'node:util';
import { expect } from 'expect';

type Body = (...values: unknown[]) => unknown;
interface Word {
  (name: string, body?: Body, timeoutMs?: number): void;
  each: (cases: readonly unknown[]) => (name: string, body: Body, timeoutMs?: number) => void;
  skip: Word;
}

/** Emulated processors are many times slower: no case waits for so long where it does not hang. */
const TIMEOUT_MS = 240_000;

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

interface Spy {
  mockImplementation(body: Body): Spy;
  mockRestore(): void;
}

function spyOn(of: object, name: string): Spy {
  const { mock: spied } = mock.method(of as Record<string, Body>, name);
  const spy: Spy = {
    mockImplementation(body) {
      spied.mockImplementation(body);
      return spy;
    },
    mockRestore: () => spied.restore(),
  };
  return spy;
}

/** Node ends when nothing but unreferenced timers are left, such as an agent's: a case that waits for one is alive. */
async function alive(body: Body): Promise<void> {
  const hold = setInterval(() => undefined, TIMEOUT_MS);
  try {
    await body();
  } finally {
    clearInterval(hold);
  }
}

const words = {
  jest: { setTimeout: () => undefined, spyOn },
  describe: withEach((name, body) => void describe(name, () => void body())),
  it: withEach((name, body) => void it(name, { timeout: TIMEOUT_MS }, () => alive(body))),
  beforeAll: before,
  afterAll: after,
  beforeEach,
  afterEach,
  expect,
};
words.describe.skip = withEach((name) => void describe(name, { skip: true }));
words.it.skip = withEach((name) => void it(name, { skip: true }));
Object.assign(globalThis, words);
