/** A start without Postgres: it waits with growing pauses, and for nothing that will not pass. */
import { QueryRunnerAlreadyReleasedError } from 'typeorm';
import { awaitPostgres, AWAIT_POSTGRES_MS } from './await-postgres.js';
import { silentLog } from './log.js';

const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });

/** Answers after `failures` tries; keeps what was said and for how long it waited. */
function attempt(failures: readonly Error[]) {
  const left = [...failures];
  const pauses: number[] = [];
  const said: string[] = [];
  const log = { ...silentLog, warn: (_event: string, fields?: Readonly<Record<string, unknown>>) => void said.push(String(fields?.['why'])) };
  const work = async (): Promise<string> => {
    const failure = left.shift();
    if (failure !== undefined) throw failure;
    return 'open';
  };
  const result = awaitPostgres(log, work, async (ms) => void pauses.push(ms));
  return { result, pauses, said };
}

it('waits until it answers, with pauses that grow up to a bound', async () => {
  const { result, pauses, said } = attempt(Array.from({ length: 8 }, refused));
  expect(await result).toBe('open');
  expect(pauses.slice(0, 3)).toEqual([250, 500, 1000]);
  expect(Math.max(...pauses)).toBe(AWAIT_POSTGRES_MS.last);
  expect(said[0]).toBe('connect ECONNREFUSED 127.0.0.1:5432');
});

it('says in one line what was tried at each address', async () => {
  const both = Object.assign(new AggregateError([refused(), refused()], ''), { code: 'ECONNREFUSED' });
  const { result, said } = attempt([both]);
  await result;
  expect(said).toEqual(['connect ECONNREFUSED 127.0.0.1:5432; connect ECONNREFUSED 127.0.0.1:5432']);
});

it('waits for a session that was ended while it was being opened (chaos, seed 3)', async () => {
  const { result, pauses } = attempt([new QueryRunnerAlreadyReleasedError()]);
  expect(await result).toBe('open');
  expect(pauses).toEqual([AWAIT_POSTGRES_MS.first]);
});

it.each(['28P01', '3D000', '42P01'])('does not wait for what a person has to mend (%s)', async (code) => {
  const { result, pauses } = attempt([Object.assign(new Error('no'), { code })]);
  await expect(result).rejects.toThrow('no');
  expect(pauses).toEqual([]);
});
