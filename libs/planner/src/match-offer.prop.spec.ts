/** Whatever is offered and wanted: nothing twice, nothing beyond an offer, no constraint broken, nothing left out that fits. */
import { appId, containsResources, instanceId, sumResources, type ConstraintOperator } from '@ekiden/model';
import fc from 'fast-check';
import { anOffer, aSpec, T0 } from '../test/an-app.js';
import { ConstraintSet } from './constraints.js';
import { matchOffers } from './match-offer.js';

const world = fc.record({
  offers: fc.array(fc.record({ cpus: fc.integer({ min: 0, max: 1000 }), ports: fc.integer({ min: 0, max: 5 }), rack: fc.constantFrom('r1', 'r2', 'r3') }), {
    maxLength: 8,
  }),
  apps: fc.array(
    fc.record({
      cpus: fc.integer({ min: 1, max: 300 }),
      ports: fc.integer({ min: 0, max: 2 }),
      count: fc.integer({ min: 1, max: 8 }),
      operator: fc.option(fc.constantFrom<ConstraintOperator>('UNIQUE', 'CLUSTER', 'MAX_PER', 'GROUP_BY')),
    }),
    { maxLength: 4 },
  ),
  maxPerOffer: fc.integer({ min: 1, max: 5 }),
  seed: fc.double({ min: 0, max: 0.999, noNaN: true }),
});

describe('any match', () => {
  it('keeps within the offers and the constraints, and places all that it can', () => {
    fc.assert(
      fc.property(world, ({ offers: offered, apps, maxPerOffer, seed }) => {
        const offers = offered.map(({ cpus, ports, rack }, index) =>
          anOffer(index, {
            attributes: { rack },
            resources: { ...anOffer(0).resources, cpusMilli: cpus, ports: ports === 0 ? [] : [{ begin: 100, end: 99 + ports }] },
          }),
        );
        const specs = apps.map(({ cpus, ports, operator }) =>
          aSpec({
            cpusMilli: cpus,
            portDefinitions: Array.from({ length: ports }, () => ({ port: 0, protocol: 'tcp' as const, name: null, labels: {} })),
            constraints: operator === null ? [] : [{ field: 'rack', operator, value: operator === 'MAX_PER' ? '2' : null }],
          }),
        );
        const named = specs.map((spec, index) => ({ ...spec, id: appId(`/app-${index}`) }));
        const wanted = named.flatMap((spec, app) =>
          Array.from({ length: apps[app]?.count ?? 0 }, (_, index) => ({ instanceId: instanceId(`${app}-${index}`), spec, since: T0 })),
        );
        const result = matchOffers({ offers, wanted, peers: new Map(), random: () => seed, maxPerOffer, now: T0 });

        expect(new Set(result.launches.map((launch) => launch.instanceId)).size).toBe(result.launches.length);
        for (const offer of offers) {
          const taken = result.launches.filter((launch) => launch.offerId === offer.id);
          expect(taken.length).toBeLessThanOrEqual(maxPerOffer);
          expect(containsResources(offer.resources, sumResources(taken.map((launch) => launch.resources)))).toBe(true);
          expect(new Set(taken.flatMap((launch) => launch.ports)).size).toBe(taken.reduce((sum, launch) => sum + launch.ports.length, 0));
          expect(result.unused.includes(offer.id)).toBe(taken.length === 0);
        }
        for (const spec of named) {
          const set = new ConstraintSet(spec.constraints, []);
          const mine = result.launches.filter((launch) => wanted.some((one) => one.spec === spec && one.instanceId === launch.instanceId));
          for (const launch of mine) {
            const offer = offers.find((one) => one.id === launch.offerId);
            if (offer === undefined) throw new Error('an offer from nowhere');
            expect(set.refusal(offer)).toBeNull();
            set.add(offer);
          }
          if (mine.length === wanted.filter((one) => one.spec === spec).length) continue;
          // Somebody is left: each offer has refused the app, or given as much as it may.
          for (const offer of offers) {
            const isFull = result.launches.filter((launch) => launch.offerId === offer.id).length >= maxPerOffer;
            expect(isFull || result.refusals.some((refusal) => refusal.appId === spec.id && refusal.agentId === offer.agentId)).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
