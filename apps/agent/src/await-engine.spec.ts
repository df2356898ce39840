/** When an agent looks again for an engine that it has not found. */
import { awaitEngine, FIRST_LOOK_MS, LONGEST_PAUSE_MS } from './await-engine.js';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('looks at growing pauses until it is there, and no more then', async () => {
  let looks = 0;
  let isThere = false;
  const found: string[] = [];
  const awaited = awaitEngine<string>(
    () => {
      looks += 1;
      return Promise.resolve(isThere ? 'engine' : ['there is none']);
    },
    (engine) => found.push(engine),
    silent,
  );
  await jest.advanceTimersByTimeAsync(FIRST_LOOK_MS * 7);
  expect(looks).toBe(3);
  await jest.advanceTimersByTimeAsync(LONGEST_PAUSE_MS * 10);
  const before = looks;
  await jest.advanceTimersByTimeAsync(LONGEST_PAUSE_MS * 10);
  expect(looks - before).toBe(10);
  isThere = true;
  await jest.advanceTimersByTimeAsync(LONGEST_PAUSE_MS * 3);
  expect(found).toEqual(['engine']);
  expect(looks - before).toBe(11);
  awaited.stop();
});

it('looks no more once it is stopped, and tells nothing that is found then', async () => {
  const found: string[] = [];
  let answer: (engine: string) => void = () => undefined;
  const awaited = awaitEngine<string>(
    () => new Promise((resolve) => (answer = resolve)),
    (engine) => found.push(engine),
    silent,
  );
  await jest.advanceTimersByTimeAsync(FIRST_LOOK_MS);
  awaited.stop();
  answer('engine');
  await jest.advanceTimersByTimeAsync(LONGEST_PAUSE_MS * 3);
  expect(found).toEqual([]);
  expect(jest.getTimerCount()).toBe(0);
});
