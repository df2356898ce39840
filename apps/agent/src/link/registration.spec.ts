/** What an agent's runtime lacks is said to masters and to frameworks, and never two things. */
import { ABILITIES } from '@ekiden/model';
import type { AgentPorts } from '../agent-ports.js';
import { registration } from './registration.js';

type Runtime = Pick<AgentPorts['runtime'], 'abilities' | 'resize'>;

const ALL = Object.fromEntries(ABILITIES.map((ability) => [ability, null])) as NonNullable<Runtime['abilities']>;
const resize = (): { readonly kind: 'resized' } => ({ kind: 'resized' });

function said(runtime: Runtime): { readonly abilities: readonly string[]; readonly lacks: string | undefined } {
  const config = {
    hostname: 'h',
    ip: '10.0.0.1',
    port: 5051,
    version: '1',
    resources: NO_RESOURCES,
    attributes: { rack: 'r1' },
    region: null,
    zone: null,
    bootId: 'b',
  };
  const { abilities = [], attributes } = registration({ config, runtime } as unknown as AgentPorts, { v: 1, agentId: null, bootId: 'b', masterEpoch: 0 }, []);
  expect(attributes.map(({ name }) => name)).toContain('rack');
  return { abilities, lacks: attributes.find(({ name }) => name === 'ekiden-lacks')?.text?.value };
}

const NO_RESOURCES = { cpusMilli: 0, memMib: 0, diskMib: 0, gpus: 0, ports: [] };

it.each<[string, Runtime, readonly string[], string | undefined]>([
  ['all', { abilities: ALL, resize }, ['resize'], undefined],
  ['all but two', { abilities: { ...ALL, seccomp: 'no bwrap', 'pids-limit': 'no group' }, resize }, ['resize'], 'pids-limit,seccomp'],
  ['no change of a size', { abilities: { ...ALL, resize: 'no groups' }, resize }, [], 'resize'],
  ['none that could be asked for', { abilities: ALL }, [], 'resize'],
  ['what it does not say', { resize }, ['resize'], undefined],
])('of a runtime that gives %s', (_, runtime, abilities, lacks) => {
  expect(said(runtime)).toEqual({ abilities, lacks });
});
