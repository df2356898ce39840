import { appId, EkidenError, type Violation } from '@ekiden/model';
import { classifyChange } from './classify-change.js';
import type { AppDefinition } from './definition.js';
import { normalizeApp, type AppRequest } from './normalize-app.js';
import { toAppSpec } from './to-app-spec.js';

const OPTIONS = { defaultRole: '*' };
const MINIMAL = { id: '/shop/web', cmd: 'sleep 1000' };

const normalize = (body: unknown, more: Partial<AppRequest> = {}) => normalizeApp({ body, id: null, current: null, partial: false, ...more }, OPTIONS);
const definitionOf = (body: unknown, more: Partial<AppRequest> = {}) => normalize(body, more).definition;

function refusal(body: unknown, more: Partial<AppRequest> = {}): { code: string; violations: readonly Violation[] } {
  try {
    normalize(body, more);
  } catch (error) {
    if (error instanceof EkidenError) return { code: error.code, violations: error.violations };
    throw error;
  }
  throw new Error('it was accepted');
}

const app = (fields: Record<string, unknown>) => ({ ...MINIMAL, ...fields });

describe('normalising an app', () => {
  it('fills in Marathon’s defaults and translates what is old', () => {
    const body = { id: '/shop/web', cmd: './serve $PORT0', mem: 64, cpus: 0.1, ports: [0], uris: ['http://repo.example/web.tgz'] };
    expect(definitionOf(body)).toEqual({
      id: '/shop/web',
      cmd: './serve $PORT0',
      labels: {},
      instances: 1,
      cpus: 0.1,
      mem: 64,
      disk: 0,
      gpus: 0,
      executor: '',
      role: '*',
      fetch: [{ uri: 'http://repo.example/web.tgz', extract: true, executable: false, cache: false }],
      networks: [{ mode: 'host' }],
      portDefinitions: [{ port: 0, protocol: 'tcp' }],
      requirePorts: false,
      backoffSeconds: 1,
      backoffFactor: 1.15,
      maxLaunchDelaySeconds: 300,
      upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
      unreachableStrategy: { inactiveAfterSeconds: 0, expungeAfterSeconds: 0 },
      killSelection: 'YOUNGEST_FIRST',
    });
  });

  it('merges the top level of a partial update, and nothing below', () => {
    const current = definitionOf(app({ env: { A: '1', B: '2' }, ports: [8_000], instances: 3 }));
    const updated = definitionOf({ env: { C: '3' }, ports: [9_000] }, { id: appId('/shop/web'), current, partial: true });
    expect(updated).toMatchObject({ env: { C: '3' }, portDefinitions: [{ port: 9_000, protocol: 'tcp' }], instances: 3, cmd: 'sleep 1000' });
    expect(definitionOf({ cmd: 'sleep 2' }, { id: appId('/shop/web'), current, partial: false })).toMatchObject({ instances: 1 });
  });

  it('reads null as absent, enums in any case, and ignores what it does not know', () => {
    const body = app({
      args: null,
      killSelection: 'oldest_first',
      constraints: [['hostname', 'unique']],
      tasks: [],
      versionInfo: {},
      healthChecks: [{ protocol: 'tcp' }],
    });
    expect(definitionOf(body)).toMatchObject({
      killSelection: 'OLDEST_FIRST',
      constraints: [['hostname', 'UNIQUE']],
      healthChecks: [{ protocol: 'TCP', portIndex: 0 }],
    });
  });

  it('drops an empty MESOS container with a warning', () => {
    const { definition, warnings } = normalize(app({ container: { type: 'MESOS', volumes: [] } }));
    expect(definition).not.toHaveProperty('container');
    expect(warnings).toHaveLength(1);
  });

  it('makes absolute what is relative', () => {
    expect(definitionOf(app({ id: 'web', dependencies: ['db', '/x/../y'] }))).toMatchObject({ id: '/web', dependencies: ['/db', '/y'] });
  });

  it('gives the model its units', () => {
    const spec = toAppSpec(
      definitionOf(app({ cpus: 0.3, mem: 31.5, drainSeconds: 2, healthChecks: [{ command: { value: 'true' }, protocol: 'COMMAND', intervalSeconds: 0 }] })),
    );
    expect(spec).toMatchObject({ cpusMilli: 300, memMib: 32, drainMs: 2_000, progressDeadlineMs: 600_000, command: { kind: 'shell', line: 'sleep 1000' } });
    expect(spec.healthChecks[0]).toMatchObject({ command: 'true', intervalMs: 1_000, portIndex: null });
  });
});

describe('a body of a wrong shape', () => {
  it.each([
    ['no id', { cmd: 'sleep 1' }, '/id', /^'id' is undefined on object: /],
    ['capitals in the id', app({ id: '/Shop' }), '/id', /^error.pattern$/],
    ['a text for a number', app({ mem: '128' }), '/mem', /^error.expected.jsnumber$/],
    ['a fraction for an integer', app({ instances: 1.5 }), '/instances', /^error.expected.int$/],
    ['cpus 0', app({ cpus: 0 }), '/cpus', /^error.min$/],
    ['negative memory', app({ mem: -1 }), '/mem', /^error.min$/],
    ['huge cpus', app({ cpus: 1e12 }), '/cpus', /^error.max$/],
    ['an empty cmd', app({ cmd: '' }), '/cmd', /^error.minLength$/],
    ['an unknown protocol', app({ healthChecks: [{ protocol: 'SMTP' }] }), '/healthChecks(0)/protocol', /^error.unknown.enum.literal$/],
    ['half a strategy', app({ upgradeStrategy: { minimumHealthCapacity: 1 } }), '/upgradeStrategy/maximumOverCapacity', /^error.path.missing$/],
    ['a port above 65535', app({ portDefinitions: [{ port: 70_000 }] }), '/portDefinitions(0)/port', /^error.max$/],
    ['a number as a label', app({ labels: { a: 1 } }), '/labels/a', /^error.expected.jsstring$/],
    ['too many ports', app({ ports: Array.from({ length: 1_001 }, () => 0) }), '/ports', /^error.maxLength$/],
  ])('is refused: %s', (_what, body, path, error) => {
    const { code, violations } = refusal(body);
    expect(code).toBe('invalid-json');
    expect(violations).toEqual([{ path, errors: [expect.stringMatching(error)] }]);
  });

  it('is refused when it is nested too deep, without running out of stack', () => {
    let body: unknown = 1;
    for (let depth = 0; depth < 100_000; depth += 1) body = [body];
    expect(refusal(app({ labels: body })).code).toBe('invalid-json');
  });

  it('is refused in linear time, however long the id', () => {
    expect(refusal(app({ id: `${'/'.repeat(2_000)}!` })).code).toBe('invalid-json');
  });
});

describe('a broken rule', () => {
  it.each([
    ['neither cmd nor args', { id: '/a' }, '/', /one of cmd or args/],
    ['cmd and args', app({ args: ['a'] }), '/', /both/],
    ['a command of 1 MB', app({ cmd: 'x'.repeat(1_048_576) }), '/cmd', /at most 131071/],
    ['an environment value of 1 MB', app({ env: { A: 'x'.repeat(1_048_576) } }), '/env/A', /at most 131071/],
    ['a zero byte', app({ cmd: 'a\0b' }), '/cmd', /zero byte/],
    ['an id with ".." inside', app({ id: '/shop/../web' }), '/id', /must not contain/],
    ['an id with an empty part', app({ id: '/shop//web' }), '/id', /empty part/],
    ['an id of 2,000 characters', app({ id: `/${'a'.repeat(1_999)}` }), '/id', /at most 180/],
    ['a reserved id', app({ id: '/shop/tasks' }), '/id', /reserved/],
    ['a port used twice', app({ ports: [80, 80], portDefinitions: undefined }), '/', /unique/],
    ['a port defined twice', app({ portDefinitions: [{ port: 80 }, { port: 80 }] }), '/portDefinitions', /80 is used twice/],
    ['a health check on no port', app({ portDefinitions: [], healthChecks: [{}] }), '/healthChecks(0)', /address an element/],
    ['a health check on a port that is not there', app({ healthChecks: [{ portIndex: 1 }] }), '/healthChecks(0)', /address an element/],
    ['a health check on port 0', app({ healthChecks: [{ port: 0 }] }), '/healthChecks(0)', /between 1 and 65535/],
    ['a readiness check on an unknown port', app({ readinessChecks: [{ portName: 'x' }] }), '/readinessChecks(0)/portName', /no port definition/],
    ['an unknown operator', app({ constraints: [['hostname', 'NEAR', 'x']] }), '/constraints(0)', /must be one of UNIQUE/],
    ['UNIQUE with a value', app({ constraints: [['hostname', 'UNIQUE', 'x']] }), '/constraints(0)', /does not accept a value/],
    ['a pattern that does not compile', app({ constraints: [['rack', 'LIKE', '(']] }), '/constraints(0)', /not a valid regular expression/],
    ['a look-ahead, which RE2 has not', app({ constraints: [['rack', 'UNLIKE', '(?=x)']] }), '/constraints(0)', /not a valid regular expression/],
    ['fetching out of the sandbox', app({ fetch: [{ uri: 'http://a/b', destPath: '../x' }] }), '/fetch(0)/destPath', /inside of the sandbox/],
    ['a limit of cpus below the request', app({ cpus: 2, resourceLimits: { cpus: 1.5 } }), '/resourceLimits/cpus', /at least cpus \(2\).*"unlimited"/],
    ['a limit of mem below the default request', app({ resourceLimits: { cpus: 'unlimited', mem: 64 } }), '/resourceLimits/mem', /at least mem \(128\)/],
    ['a digest that is none', app({ fetch: [{ uri: 'http://a/b', sha256: 'abc' }] }), '/fetch(0)/sha256', /64 hex digits/],
    ['a role of somebody else', app({ role: 'other' }), '/role', /^got other, expected one of: \[\*, shop\]$/],
    ['resources of somebody else', app({ acceptedResourceRoles: ['slave_public'] }), '/acceptedResourceRoles', /can only contain/],
    [
      'forgotten before it is replaced',
      app({ unreachableStrategy: { inactiveAfterSeconds: 9, expungeAfterSeconds: 1 } }),
      '/unreachableStrategy/inactiveAfterSeconds',
      /1 or less/,
    ],
    ['a dependency on itself', app({ dependencies: ['/shop/web'] }), '/', /cyclic/],
  ])('is refused: %s', (_what, body, path, error) => {
    const { code, violations } = refusal(body);
    expect(code).toBe('invalid-object');
    expect(violations).toContainEqual({ path, errors: [expect.stringMatching(error)] });
  });

  it('names everything that is wrong in one answer', () => {
    const { violations } = refusal(app({ portDefinitions: [{ port: 80 }, { port: 80 }], healthChecks: [{ portIndex: 7 }], role: 'x' }));
    expect(violations.map(({ path }) => path)).toEqual(['/portDefinitions', '/healthChecks(0)', '/role']);
  });
});

describe('limits above the request', () => {
  const limited = (fields: Record<string, unknown>, current: AppDefinition | null = null) =>
    normalizeApp({ body: app(fields), id: null, current, partial: true }, { defaultRole: '*' }).definition;

  it('are kept as they were given, in the units of the model for the rest', () => {
    const definition = limited({ resourceLimits: { cpus: 1.5, mem: 'unlimited' } });
    expect(definition['resourceLimits']).toEqual({ cpus: 1.5, mem: 'unlimited' });
    expect(toAppSpec(definition).resourceLimits).toEqual({ cpusMilli: 1500, memMib: 'unlimited' });
    expect(limited({ resourceLimits: {} })).not.toHaveProperty('resourceLimits');
  });

  it('stay when an update does not speak of them, and mean new tasks when they change', () => {
    const before = limited({ resourceLimits: { mem: 512 } });
    expect(limited({ instances: 3 }, before)['resourceLimits']).toEqual({ mem: 512 });
    expect(classifyChange(before, limited({ resourceLimits: { mem: 513 } }, before)).restart).toEqual(['resourceLimits']);
  });

  it('are numbers or one word', () => {
    expect(refusal(app({ resourceLimits: { mem: 'endless' } }))).toMatchObject({ code: 'invalid-json', violations: [{ path: '/resourceLimits/mem' }] });
  });
});

describe('isolation of its own', () => {
  it('is kept in one spelling, and means new tasks when it changes', () => {
    const before = definitionOf(app({ isolation: { capabilities: ['CAP_KILL', 'KILL'], privateTmp: true, seccomp: false, pids: 50 } }));
    expect(before['isolation']).toEqual({ capabilities: ['KILL'], privateTmp: true, pids: 50 });
    expect(toAppSpec(before).isolation).toEqual(before['isolation']);
    expect(definitionOf(app({ isolation: { privateTmp: false } }))).not.toHaveProperty('isolation');
    expect(classifyChange(before, definitionOf(app({}))).restart).toEqual(['isolation']);
  });

  it.each([
    [{ namespaces: ['net'] }, '/isolation/namespaces(0)'],
    [{ pids: 0 }, '/isolation/pids'],
    [{ capabilities: ['kill -9'] }, '/isolation/capabilities(0)'],
  ])('is refused where it says nothing: %j', (isolation, path) => expect(refusal(app({ isolation })).violations).toMatchObject([{ path }]));
});

describe('what is not built yet', () => {
  it.each([
    ['volumes without an image', { container: { type: 'MESOS', volumes: [{ containerPath: 'x', mode: 'RW', hostPath: '/x' }] } }, '/container/volumes(0)'],
    ['secrets', { secrets: { a: { source: 'b' } } }, '/secrets'],
    ['secrets in env', { env: { A: { secret: 'b' } } }, '/env/A/secret'],
    ['gpus', { gpus: 1 }, '/gpus'],
    ['executors', { executor: '/bin/mine' }, '/executor'],
    ['checks', { check: { tcp: { portIndex: 0 } } }, '/check'],
    ['residency', { residency: {} }, '/residency'],
    ['terminals', { tty: true }, '/tty'],
    ['other kinds of URIs', { fetch: [{ uri: 'hdfs://a/b' }] }, '/fetch(0)/uri'],
  ])('is refused and never ignored: %s', (_what, fields, path) => {
    const { code, violations } = refusal(app(fields));
    expect(code).toBe('not-supported');
    expect(violations).toEqual([{ path, errors: [expect.stringMatching(/not supported yet/)] }]);
  });
});
