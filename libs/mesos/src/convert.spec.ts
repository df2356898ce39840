import fc from 'fast-check';
import { normalizePorts } from '@ekiden/model';
import { attributesToModel, attributesToWire, resourcesToModel, resourcesToWire } from './convert.js';

const resources = fc.record({
  cpusMilli: fc.nat(1_000_000),
  memMib: fc.nat(1_000_000),
  diskMib: fc.nat(1_000_000),
  gpus: fc.nat(8),
  ports: fc.array(fc.record({ begin: fc.integer({ min: 1, max: 65000 }), end: fc.integer({ min: 1, max: 65000 }) }), { maxLength: 4 }).map(normalizePorts),
});

describe('resources', () => {
  it('go to the wire and back unchanged', () => {
    fc.assert(fc.property(resources, (mine) => expect(resourcesToModel(resourcesToWire(mine, 'web'))).toEqual(mine)));
  });

  it('add up over reservations, and one-port ranges coalesce', () => {
    const cpus = (value: number) => ({ name: 'cpus', type: 'SCALAR' as const, scalar: { value } });
    const port = (p: number) => ({ begin: p, end: p });
    expect(resourcesToModel([cpus(0.1), cpus(0.2), { name: 'ports', type: 'RANGES', ranges: { range: [port(2), port(1), port(3)] } }])).toMatchObject({
      cpusMilli: 300,
      ports: [{ begin: 1, end: 3 }],
    });
  });
});

describe('attributes', () => {
  it('become the text that constraints compare', () => {
    expect(
      attributesToModel([
        { name: 'rack', type: 'TEXT', text: { value: 'r1' } },
        { name: 'rack', type: 'TEXT', text: { value: 'second' } },
        { name: 'level', type: 'SCALAR', scalar: { value: 1.50001 } },
        {
          name: 'slots',
          type: 'RANGES',
          ranges: {
            range: [
              { begin: 5, end: 6 },
              { begin: 1, end: 2 },
            ],
          },
        },
        { name: 'tags', type: 'SET', set: { item: ['b', 'a'] } },
      ]),
    ).toEqual({ rack: 'r1', level: '1.5', slots: '[1-2,5-6]', tags: '{a,b}' });
    expect(attributesToModel(attributesToWire({ rack: 'r1' }))).toEqual({ rack: 'r1' });
  });
});
