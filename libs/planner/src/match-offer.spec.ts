/** Offers, ports and explanations, in small worlds. */
import { appId, instanceId, role, type AppSpec, type PortDefinition } from '@ekiden/model';
import { anOffer, aSpec, T0 } from '../test/an-app.js';
import { assignPorts } from './assign-ports.js';
import { explainPending, summarizeRefusals } from './explain.js';
import { matchOffers, type MatchInput } from './match-offer.js';
import type { MatchResult, WantedInstance } from './view.js';

const port = (number: number): PortDefinition => ({ port: number, protocol: 'tcp', name: null, labels: {} });
const wantedOf = (spec: AppSpec, count: number, since = T0): WantedInstance[] =>
  Array.from({ length: count }, (_, index) => ({ instanceId: instanceId(`${spec.id.slice(1).replaceAll('/', '_')}-${index}`), spec, since }));
const match = (changes: Partial<MatchInput>): MatchResult =>
  matchOffers({ offers: [], wanted: [], peers: new Map(), random: () => 0.5, maxPerOffer: 10, now: T0, ...changes });
const perOffer = (result: MatchResult): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const launch of result.launches) counts[launch.offerId] = (counts[launch.offerId] ?? 0) + 1;
  return counts;
};

describe('matching', () => {
  it('spreads an app over the offers, to where the fewest of it are', () => {
    const spec = aSpec();
    const peers = new Map([[spec.id, [{ hostname: 'host-1', attributes: {}, region: null, zone: null }]]]);
    expect(perOffer(match({ offers: [1, 2, 3].map((n) => anOffer(n)), wanted: wantedOf(spec, 5), peers }))).toEqual({
      'offer-1': 1,
      'offer-2': 2,
      'offer-3': 2,
    });
  });

  it('prefers the agent with the most room among equals', () => {
    const big = anOffer(2, { resources: { ...anOffer(2).resources, cpusMilli: 4000, memMib: 4096 } });
    expect(match({ offers: [anOffer(1), big], wanted: wantedOf(aSpec(), 1) }).launches).toMatchObject([{ offerId: 'offer-2' }]);
  });

  it('never gives more than an offer has, and says what is missing', () => {
    const spec = aSpec({ cpusMilli: 400 });
    const result = match({ offers: [anOffer(1)], wanted: wantedOf(spec, 3) });
    expect(result.launches).toHaveLength(2);
    expect(result.refusals).toEqual([
      {
        appId: spec.id,
        agentId: 'agent-1',
        hostname: 'host-1',
        reason: 'InsufficientCpus',
        text: 'needs 0.4 cpus, 0.2 are free',
        shortfall: { needed: 400, free: 200 },
      },
    ]);
  });

  it('takes at most so many from one offer, which is no refusal', () => {
    const result = match({ offers: [anOffer(1)], wanted: wantedOf(aSpec(), 5), maxPerOffer: 2 });
    expect(result.launches).toHaveLength(2);
    expect(result.refusals).toEqual([]);
  });

  // Seed 730301: two new ones went to one rack, because old ones had been placed on two others in the same round.
  it('counts no instance of an older config for the constraints of the newer, not even one that it has just placed', () => {
    const spec = aSpec({ constraints: [{ field: 'hostname', operator: 'UNIQUE', value: null }] });
    const older = wantedOf({ ...spec }, 1).map((one) => ({ ...one, isOlder: true }));
    const newer = wantedOf(spec, 1, T0 + 1).map((one) => ({ ...one, instanceId: instanceId('newer') }));
    const ids = (wanted: WantedInstance[]) => match({ offers: [anOffer(1)], wanted }).launches.map((launch) => launch.instanceId);
    expect(ids([...older, ...newer])).toEqual([older[0]!.instanceId, 'newer']);
    expect(ids([...older.map((one) => ({ ...one, since: T0 + 2 })), ...newer])).toEqual(['newer']);
  });

  it('counts what it has just placed for constraints', () => {
    const spec = aSpec({ constraints: [{ field: 'hostname', operator: 'UNIQUE', value: null }] });
    const result = match({ offers: [anOffer(1), anOffer(2)], wanted: wantedOf(spec, 3) });
    expect(perOffer(result)).toEqual({ 'offer-1': 1, 'offer-2': 1 });
    expect(result.refusals.map((refusal) => refusal.reason)).toEqual(['UnfulfilledConstraint', 'UnfulfilledConstraint']);
  });

  it('takes an app with an image to agents that run images, and says of the others why not', () => {
    const container = { kind: 'DOCKER' as const, image: 'nginx', forcePullImage: false, isPrivileged: false, volumes: [] };
    const offers = [anOffer(1, { imagesRefused: 'no umoci' }), anOffer(2)];
    const result = match({ offers, wanted: wantedOf(aSpec({ container, constraints: [{ field: 'hostname', operator: 'UNIQUE', value: null }] }), 2) });
    expect(perOffer(result)).toEqual({ 'offer-2': 1 });
    expect(result.refusals[0]).toMatchObject({ reason: 'UnfulfilledConstraint', text: 'needs an agent that runs images: no umoci' });
  });

  it('takes an app to agents that give what its isolation asks for, and says of the others what they lack', () => {
    const bounded = aSpec({ isolation: { pids: 50, seccomp: true, openFiles: 100 } });
    const offers = [anOffer(1, { lacks: ['pids-limit', 'seccomp', 'private-tmp'] }), anOffer(2)];
    const result = match({ offers, wanted: wantedOf({ ...bounded, cpusMilli: 1000 }, 2) });
    expect(perOffer(result)).toEqual({ 'offer-2': 1 });
    expect(result.refusals[0]).toMatchObject({ reason: 'UnfulfilledConstraint', text: 'needs pids-limit and seccomp, which the agent does not give' });
    expect(perOffer(match({ offers: offers.slice(0, 1), wanted: wantedOf(aSpec(), 1) }))).toEqual({ 'offer-1': 1 });
    const inImage = { ...bounded, container: { kind: 'DOCKER' as const, image: 'nginx', forcePullImage: false, isPrivileged: false, volumes: [] } };
    expect(perOffer(match({ offers: offers.slice(0, 1), wanted: wantedOf(inImage, 1) }))).toEqual({ 'offer-1': 1 });
  });

  it('takes an app to agents that have its network, with the ports of the machine that lead there', () => {
    const mapping = { containerPort: 80, servicePort: 0, protocol: 'tcp' as const, name: null, labels: {}, networkNames: [] };
    const own = (name: string | null) =>
      aSpec({
        ownNetwork: {
          networks: [{ name, labels: {} }],
          portMappings: [
            { ...mapping, hostPort: 31_010 },
            { ...mapping, hostPort: null },
            { ...mapping, hostPort: 0 },
          ],
        },
      });
    const offers = [
      anOffer(1, { networks: { kind: 'none', why: 'no plugins' } }),
      anOffer(2, { networks: { kind: 'some', names: ['mesos-bridge'] } }),
      anOffer(3),
    ];
    const result = match({ offers: offers.slice(0, 2), wanted: wantedOf(own(null), 2) });
    expect(result.launches).toMatchObject([{ offerId: 'offer-2', ports: [31_010, expect.any(Number)] }]);
    expect(result.refusals.map(({ text }) => text)).toEqual([
      'needs an agent that gives tasks networks of their own: no plugins',
      'needs port 31010, which is not free',
    ]);
    expect(match({ offers: offers.slice(1, 2), wanted: wantedOf(own('blue'), 1) }).refusals[0]?.text).toBe(
      'needs the network blue, which the agent does not have',
    );
    expect(perOffer(match({ offers: offers.slice(2), wanted: wantedOf(own('blue'), 1) }))).toEqual({ 'offer-3': 1 });
  });

  it('balances groups, whatever the number of agents in each', () => {
    const spec = aSpec({ constraints: [{ field: 'rack', operator: 'GROUP_BY', value: null }] });
    const offers = ['r1', 'r1', 'r1', 'r2'].map((rack, index) => anOffer(index, { attributes: { rack } }));
    const result = match({ offers, wanted: wantedOf(spec, 6) });
    expect(result.launches).toHaveLength(6);
    expect(perOffer(result)['offer-3']).toBe(3);
  });

  it('takes no unreserved resources for an app that accepts only reserved ones', () => {
    const reservedOnly = match({ offers: [anOffer(1)], wanted: wantedOf(aSpec({ acceptedResourceRoles: ['prod'] }), 1) });
    expect(reservedOnly.refusals).toMatchObject([{ reason: 'NoCorrespondingReservationFound', text: expect.stringContaining('prod') }]);
    expect(match({ offers: [anOffer(1)], wanted: wantedOf(aSpec({ acceptedResourceRoles: ['prod', '*'] }), 1) }).launches).toHaveLength(1);
  });

  it('refuses in the order of the funnel', () => {
    const maintained = anOffer(1, { isUnavailable: true });
    const foreign = anOffer(2, { role: role('dev') });
    const result = match({ offers: [maintained, foreign], wanted: wantedOf(aSpec({ cpusMilli: 9000 }), 1) });
    expect(result.refusals.map((refusal) => refusal.reason)).toEqual(['AgentMaintenance', 'UnfulfilledRole']);
    expect(result.unused).toEqual(['offer-1', 'offer-2']);
    expect(summarizeRefusals(result.refusals).map((row) => [row.declined, row.processed])).toEqual([
      [1, 2],
      [0, 1],
      [0, 1],
      [1, 1],
      ...Array.from({ length: 6 }, () => [0, 0]),
    ]);
  });

  it('lets who waits longest choose first', () => {
    const late = aSpec({ id: appId('/late'), cpusMilli: 1000 });
    const early = aSpec({ id: appId('/early'), cpusMilli: 1000 });
    const result = match({ offers: [anOffer(1)], wanted: [...wantedOf(late, 1, T0 + 1), ...wantedOf(early, 1, T0)] });
    expect(result.launches.map((launch) => launch.instanceId)).toEqual(['early-0']);
  });

  it('gives different ports to instances on one offer', () => {
    const spec = aSpec({ portDefinitions: [port(10_001), port(10_002)] });
    const result = match({ offers: [anOffer(1)], wanted: wantedOf(spec, 4) });
    const ports = result.launches.flatMap((launch) => launch.ports);
    expect(new Set(ports).size).toBe(8);
    expect(result.launches[0]?.resources.ports).toEqual([{ begin: 31_500, end: 31_501 }]);
  });

  it('places one instance an agent when the ports are fixed', () => {
    const spec = aSpec({ portDefinitions: [port(31_007)], requirePorts: true });
    const result = match({ offers: [anOffer(1), anOffer(2)], wanted: wantedOf(spec, 3) });
    expect(result.launches.map((launch) => launch.ports)).toEqual([[31_007], [31_007]]);
    expect(result.refusals.map((refusal) => refusal.text)).toEqual(Array.from({ length: 2 }, () => 'needs port 31007, which is not free'));
  });
});

describe('assigning ports', () => {
  const ranges = [
    { begin: 10, end: 12 },
    { begin: 20, end: 20 },
  ];

  it('wraps around over the holes', () => {
    expect(assignPorts(ranges, { portDefinitions: [port(1), port(2), port(3)], requirePorts: false }, () => 0.5)).toEqual({
      kind: 'assigned',
      ports: [12, 20, 10],
    });
  });

  it('mixes fixed and any', () => {
    expect(assignPorts(ranges, { portDefinitions: [port(0), port(11)], requirePorts: true }, () => 0)).toEqual({ kind: 'assigned', ports: [10, 11] });
  });

  it('says what is missing', () => {
    expect(assignPorts([], { portDefinitions: [port(0)], requirePorts: false }, () => 0)).toEqual({
      kind: 'missing',
      text: 'needs 1 ports, 0 are free',
      needed: 1,
      free: 0,
    });
  });
});

describe('explaining what is pending', () => {
  it('names the agent that came nearest and what the constraints exclude', () => {
    const spec = aSpec({ cpusMilli: 2000, constraints: [{ field: 'rack', operator: 'LIKE', value: 'r1' }] });
    const small = anOffer(1, { attributes: { rack: 'r1' } });
    const larger = anOffer(2, { attributes: { rack: 'r1' }, resources: { ...small.resources, cpusMilli: 1500 } });
    const { refusals } = match({ offers: [small, larger, anOffer(3, { attributes: { rack: 'r2' } })], wanted: wantedOf(spec, 2) });
    expect(explainPending(spec.id, 2, refusals)).toBe(
      '2 instances of /shop/web wait for an offer: 1 agent is excluded by a constraint (rack LIKE r1: this agent has rack=r2); ' +
        '2 agents lack cpus (needs 2 cpus, 1.5 are free on host-2)',
    );
    expect(explainPending(spec.id, 1, [])).toBe('1 instance of /shop/web waits for an offer: no agent has made one yet');
  });
});
