import fc from 'fast-check';
import { EkidenError } from '@ekiden/model';
import { classifyChange } from './classify-change.js';
import type { AppDefinition } from './definition.js';
import { normalizeApp } from './normalize-app.js';
import { assignServicePorts, servicePortsOf } from './service-ports.js';
import { toAppSpec } from './to-app-spec.js';

const normalize = (body: unknown): AppDefinition => normalizeApp({ body, id: null, current: null, partial: false }, { defaultRole: '*' }).definition;

const word = fc.stringMatching(/^[a-z]{1,8}$/);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const anApp = fc.record({
  id: fc.tuple(word, word).map(([group, name]) => `/${group}/${name}-x`),
  cmd: fc.string({ minLength: 3, maxLength: 20 }).map((text) => `echo ${text.replaceAll('\0', '')}`),
  instances: maybe(fc.integer({ min: 0, max: 50 })),
  cpus: maybe(fc.double({ min: 0.001, max: 64, noNaN: true })),
  mem: maybe(fc.double({ min: 0, max: 4_096, noNaN: true })),
  env: maybe(
    fc.dictionary(
      word,
      fc.string({ maxLength: 10 }).map((text) => text.replaceAll('\0', '')),
    ),
  ),
  labels: maybe(fc.dictionary(word, fc.string({ maxLength: 10 }))),
  ports: maybe(fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { maxLength: 4 }).map((ports) => [...ports, 0])),
  uris: maybe(
    fc.array(
      word.map((name) => `http://files.example/${name}.tgz`),
      { maxLength: 2 },
    ),
  ),
  constraints: maybe(fc.array(fc.constantFrom(['hostname', 'unique'], ['rack', 'GROUP_BY', '2'], ['zone', 'like', 'a.*']), { maxLength: 3 })),
  healthChecks: maybe(fc.array(fc.record({ protocol: fc.constantFrom('HTTP', 'tcp', 'MESOS_HTTP'), path: maybe(fc.constant('/up')) }), { maxLength: 1 })),
  unreachableStrategy: maybe(fc.constantFrom('disabled', { inactiveAfterSeconds: 1, expungeAfterSeconds: 2 })),
  resourceLimits: maybe(fc.record({ cpus: maybe(fc.constantFrom<number | 'unlimited'>(64, 'unlimited')), mem: maybe(fc.constant(100_000)) })),
  isolation: maybe(fc.record({ pids: maybe(fc.integer({ min: 1, max: 99 })), capabilities: maybe(fc.constant(['CAP_KILL'])), seccomp: maybe(fc.boolean()) })),
  drainSeconds: maybe(fc.nat({ max: 60 })),
  rollbackWhenStuck: maybe(fc.boolean()),
});

describe('normalised apps', () => {
  it('stay what they are when what GET shows is sent again', () => {
    fc.assert(
      fc.property(anApp, (body) => {
        const once = normalize(body);
        const shown = JSON.parse(JSON.stringify({ ...once, version: '2026-01-01T00:00:00.000Z', tasks: [], tasksRunning: 1, deployments: [] }));
        expect(normalize(shown)).toEqual(once);
        expect(classifyChange(once, normalize(shown))).toEqual({ restart: [], policy: [], resize: [], scale: false });
        expect(toAppSpec(normalize(shown))).toEqual(toAppSpec(once));
      }),
    );
  });

  it('answer any JSON with a definition or a refusal, never with a crash', () => {
    const field = fc.constantFrom(
      'id',
      'cmd',
      'args',
      'env',
      'ports',
      'constraints',
      'healthChecks',
      'container',
      'networks',
      'fetch',
      'upgradeStrategy',
      'dependencies',
      '__proto__',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(field, fc.jsonValue({ maxDepth: 3 })), { maxLength: 6 }), (entries) => {
        try {
          normalize(Object.fromEntries([['id', '/a'], ['cmd', 'sleep 1'], ...entries]));
        } catch (error) {
          expect(error).toBeInstanceOf(EkidenError);
        }
      }),
    );
  });

  it('get service ports that are free, and keep them', () => {
    fc.assert(
      fc.property(anApp, fc.uniqueArray(fc.integer({ min: 10_000, max: 10_020 }), { maxLength: 15 }), (body, others) => {
        const taken = new Set(others);
        const first = assignServicePorts({ definition: normalize(body), former: null, taken, min: 10_000, max: 10_030 });
        const ports = servicePortsOf(first);
        expect(ports).not.toContain(0);
        expect(new Set(ports).size).toBe(ports.length);
        const given = new Set(body.ports ?? []);
        expect(ports.filter((port) => taken.has(port) && !given.has(port))).toEqual([]);
        const again = assignServicePorts({ definition: normalize(body), former: first, taken, min: 10_000, max: 10_030 });
        expect(servicePortsOf(again)).toEqual(ports);
        // Others may name the same numbers: an app does not lose its own by that.
        const shared = new Set([...others, ...ports]);
        const same = assignServicePorts({ definition: normalize(body), former: first, taken: shared, min: 10_000, max: 10_030 });
        expect(servicePortsOf(same)).toEqual(ports);
      }),
    );
  });
});
