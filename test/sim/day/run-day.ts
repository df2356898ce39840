/** `npm run test:sim -- --day`, with `--seed`, `--agents`, `--apps`, `--instances`, `--hours`: runs one day, and prints what it was and cost. */
import { parseArgs } from 'node:util';
import { HOUR_MS, simulateDay, type DayResult } from './day.js';

/** Answers the exit code. */
export async function runDay(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      day: { type: 'boolean', default: true },
      seed: { type: 'string', default: '1' },
      agents: { type: 'string', default: '100' },
      apps: { type: 'string', default: '50' },
      instances: { type: 'string', default: '1000' },
      hours: { type: 'string', default: '24' },
    },
  });
  const numberOf = (name: 'seed' | 'agents' | 'apps' | 'instances' | 'hours'): number => {
    const value = Number(values[name]);
    if (!(value > 0)) throw new Error(`--${name} takes a number above 0, not ${values[name]}`);
    return value;
  };
  const result = await simulateDay({
    seed: numberOf('seed'),
    agents: numberOf('agents'),
    apps: numberOf('apps'),
    instances: numberOf('instances'),
    hours: numberOf('hours'),
  });
  console.log(describeDay(result));
  return result.failure === null ? 0 : 1;
}

function describeDay({ seed, failure, hash, virtualMs, convergedInMs, facts, wallSeconds, cpuSeconds }: DayResult): string {
  const { steps, commits, events, processes, acknowledged, ...faults } = facts;
  const converged = convergedInMs === null ? '' : `, right again after ${(convergedInMs / 1000).toFixed(0)} s`;
  return [
    `seed ${seed}: ${failure === null ? 'ok' : 'FAILED'}, ${(virtualMs / HOUR_MS).toFixed(2)} virtual hours${converged}`,
    `${steps} steps, ${commits} commits, ${events} events, ${processes} processes started, ${acknowledged} changes acknowledged`,
    `faults: ${JSON.stringify(faults)}`,
    `${wallSeconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of CPU: ${(virtualMs / 1000 / wallSeconds).toFixed(0)} times real time`,
    `trace hash: ${hash}`,
    ...(failure === null ? [] : [failure]),
  ].join('\n');
}
