/** Networks and mapped ports: what is stored of today's and of older forms, what is refused and where, and what an update keeps. */
import { EkidenError, hostPortCount, servicePorts, taskPorts, wantedHostPorts, type AppId, type Violation } from '@ekiden/model';
import type { AppDefinition } from './definition.js';
import { classifyChange } from './classify-change.js';
import { normalizeApp } from './normalize-app.js';
import { assignServicePorts, servicePortsOf } from './service-ports.js';
import { toAppSpec } from './to-app-spec.js';

const OPTIONS = { defaultRole: '*' };
const normalize = (fields: object, current: AppDefinition | null = null): AppDefinition =>
  normalizeApp({ body: { id: '/shop/img', ...fields }, id: '/shop/img' as AppId, current, partial: current !== null }, OPTIONS).definition;
const BRIDGE = { networks: [{ mode: 'container/bridge' }] };
const image = (beside: object = {}, docker: object = {}) => ({ container: { type: 'DOCKER', docker: { image: 'nginx:1.19', ...docker }, ...beside } });
const mesos = (beside: object = {}) => ({ container: { type: 'MESOS', docker: { image: 'nginx' }, ...beside } });

function violations(fields: object): readonly Violation[] {
  try {
    normalize(fields);
  } catch (error) {
    if (error instanceof EkidenError) return error.violations;
    throw error;
  }
  return [];
}

const DEFAULTS = { servicePort: 0, protocol: 'tcp', labels: {} };

it('stores a bridge as Marathon shows it', () => {
  const app = normalize({
    ...image({ portMappings: [{ containerPort: 80, hostPort: 0, name: 'http' }] }),
    ...BRIDGE,
    healthChecks: [{ protocol: 'MESOS_HTTP' }],
  });
  expect(app).toMatchObject({ networks: [{ mode: 'container/bridge' }], requirePorts: false, healthChecks: [{ portIndex: 0 }] });
  expect(app['container']).toMatchObject({ volumes: [], portMappings: [{ ...DEFAULTS, containerPort: 80, hostPort: 0, name: 'http' }] });
  expect(app).not.toHaveProperty('portDefinitions');
  expect(normalize({}, app)).toEqual(app);
});

it.each([
  ['mappings are one of any port unless given', { ...image(), ...BRIDGE }, [{ ...DEFAULTS, containerPort: 0, hostPort: 0, name: 'default' }]],
  ['none are none', { ...image({ portMappings: [] }), ...BRIDGE }, []],
  ['the bridge gives host ports', { ...image({ portMappings: [{ containerPort: 80 }] }), ...BRIDGE }, [{ ...DEFAULTS, containerPort: 80, hostPort: 0 }]],
  [
    'a network of the operator gives none by itself',
    { ...image({ portMappings: [{ containerPort: 80 }, { hostPort: 0 }] }), networks: [{ name: 'blue' }] },
    [
      { ...DEFAULTS, containerPort: 80 },
      { ...DEFAULTS, containerPort: 0, hostPort: 0 },
    ],
  ],
  [
    'of the older form',
    image({}, { network: 'bridge', portMappings: [{ containerPort: 53, hostPort: 53, protocol: 'udp,tcp', servicePort: 7, labels: { a: 'b' } }] }),
    [{ containerPort: 53, hostPort: 53, servicePort: 7, protocol: 'udp,tcp', labels: { a: 'b' } }],
  ],
  [
    'older ports without a mapping are mapped',
    { ...image({}, { network: 'BRIDGE', portMappings: [{ containerPort: 80 }] }), ports: [9_000, 9_001] },
    [
      { ...DEFAULTS, containerPort: 80, hostPort: 0 },
      { ...DEFAULTS, containerPort: 0, hostPort: 0, servicePort: 9_001 },
    ],
  ],
  [
    'ports that an address is discovered by',
    { ...mesos(), ipAddress: { networkName: 'blue', discovery: { ports: [{ number: 80, name: 'http', protocol: 'tcp' }] } } },
    [{ ...DEFAULTS, containerPort: 80, name: 'http' }],
  ],
])('%s', (_, fields, portMappings) => {
  expect(normalize(fields)['container']).toMatchObject({ portMappings });
});

it.each([
  ['nothing', image(), [{ mode: 'host' }]],
  ['an empty list', { ...image(), networks: [] }, [{ mode: 'host' }]],
  ['HOST', image({}, { network: 'HOST' }), [{ mode: 'host' }]],
  ['BRIDGE', image({}, { network: 'BRIDGE' }), [{ mode: 'container/bridge' }]],
  [
    'USER',
    { ...image({}, { network: 'USER' }), ipAddress: { networkName: 'blue', labels: { a: 'b' } } },
    [{ mode: 'container', name: 'blue', labels: { a: 'b' } }],
  ],
  ['an address', { ...mesos(), ipAddress: { networkName: 'blue' } }, [{ mode: 'container', name: 'blue' }]],
  ['the address of the bridge', { ...mesos(), ipAddress: { networkName: 'mesos-bridge' } }, [{ mode: 'container/bridge' }]],
  [
    'several',
    { ...mesos(), networks: [{ name: 'a' }, { name: 'b' }] },
    [
      { mode: 'container', name: 'a' },
      { mode: 'container', name: 'b' },
    ],
  ],
])('%s is a network', (_, fields, networks) => {
  expect(normalize(fields)['networks']).toEqual(networks);
});

it.each([
  ['a host network with a name', { ...image(), networks: [{ mode: 'host', name: 'x' }] }, '/networks'],
  ['a bridge with a name', { ...image(), networks: [{ mode: 'container/bridge', name: 'x' }] }, '/networks'],
  ['a container network without a name', { ...image(), networks: [{ mode: 'container' }] }, '/networks'],
  ['a network twice', { ...mesos(), networks: [{ name: 'a' }, { name: 'a' }] }, '/networks'],
  ['two kinds of networks', { ...mesos(), networks: [{ name: 'a' }, { mode: 'host' }] }, '/networks'],
  ['several networks for Docker', { ...image(), networks: [{ name: 'a' }, { name: 'b' }] }, '/'],
  ['a network for a command', { cmd: 'sleep 1', ...BRIDGE }, '/networks'],
  ['old beside new networks', { ...image({}, { network: 'BRIDGE' }), ...BRIDGE }, '/'],
  ['old beside new mappings', image({ portMappings: [{}] }, { network: 'BRIDGE', portMappings: [{}] }), '/container/docker/portMappings'],
  ['NONE', image({}, { network: 'NONE' }), '/container/docker/network'],
  ['older mappings with type MESOS', { container: { type: 'MESOS', docker: { image: 'x', portMappings: [{}] } }, ...BRIDGE }, '/container/docker/portMappings'],
  ['an address beside networks', { ...mesos(), ...BRIDGE, ipAddress: {} }, '/'],
  ['an address beside ports', { ...mesos(), ipAddress: { networkName: 'a' }, ports: [1] }, '/'],
  ['discovery for Docker', { ...image(), ipAddress: { networkName: 'a', discovery: { ports: [{ number: 1 }] } } }, '/ipAddress'],
  ['mappings with the host network', { ...image({ portMappings: [{ containerPort: 80 }] }), networks: [{ mode: 'host' }] }, '/'],
  ['mappings without a network', image({ portMappings: [{ containerPort: 80 }] }), '/container/portMappings'],
  ['definitions with a bridge', { ...image(), ...BRIDGE, portDefinitions: [{ port: 0 }] }, '/'],
  ['a name twice', { ...image({ portMappings: [{ name: 'a' }, { name: 'a' }] }), ...BRIDGE }, '/container/portMappings'],
  ['a host port twice', { ...image({ portMappings: [{ hostPort: 80 }, { hostPort: 80, protocol: 'udp' }] }), ...BRIDGE }, '/container/portMappings'],
  ['a port that is none', { ...image({ portMappings: [{ containerPort: 70_000 }] }), ...BRIDGE }, '/container/portMappings(0)/containerPort'],
  [
    'a mapping of one of several networks',
    { ...mesos({ portMappings: [{ hostPort: 0 }] }), networks: [{ name: 'a' }, { name: 'b' }] },
    '/container/portMappings(0)',
  ],
  [
    'a network that the app does not have',
    { ...mesos({ portMappings: [{ networkNames: ['c'] }] }), networks: [{ name: 'a' }] },
    '/container/portMappings(0)/networkNames(0)',
  ],
  ['a check of no mapping', { ...image({ portMappings: [] }), ...BRIDGE, healthChecks: [{ protocol: 'HTTP', portIndex: 0 }] }, '/healthChecks(0)'],
  ['readiness of no mapping', { ...image({ portMappings: [{ name: 'a' }] }), ...BRIDGE, readinessChecks: [{ portName: 'b' }] }, '/readinessChecks(0)/portName'],
])('refuses %s', (_, fields, path) => {
  expect(violations(fields).map((each) => each.path)).toContain(path);
});

describe('an update', () => {
  const bridged = normalize({ ...image({ portMappings: [{ containerPort: 80 }] }), ...BRIDGE });

  it('goes to the host network and back without what no longer fits', () => {
    const host = normalize({ networks: [{ mode: 'host' }] }, bridged);
    expect(host).toMatchObject({ networks: [{ mode: 'host' }], portDefinitions: [{ port: 0, name: 'default' }] });
    expect(host['container']).not.toHaveProperty('portMappings');
    expect(normalize(BRIDGE, host)).toMatchObject({ container: { portMappings: [{ name: 'default' }] } });
  });

  it('keeps service ports, and restarts tasks for a changed mapping alone', () => {
    const assign = (definition: AppDefinition, former: AppDefinition | null) =>
      assignServicePorts({ definition, former, taken: new Set([10_000]), min: 10_000, max: 10_100 });
    const first = assign(bridged, null);
    expect(servicePortsOf(first)).toEqual([10_001]);
    expect(servicePorts(toAppSpec(first))).toEqual([10_001]);
    const more = normalize({ ...image({ portMappings: [{ containerPort: 80 }, { containerPort: 81 }] }) }, first);
    expect(servicePortsOf(assign(more, first))).toEqual([10_001, 10_002]);
    expect(classifyChange(first, normalize({ backoffSeconds: 7 }, first)).restart).toEqual([]);
    expect(classifyChange(first, assign(more, first)).restart).toEqual(['container']);
  });
});

it('becomes what a task is made of', () => {
  const spec = toAppSpec(
    normalize({ ...mesos({ portMappings: [{ containerPort: 80, hostPort: 0 }, { containerPort: 0 }, { hostPort: 31_005 }] }), networks: [{ name: 'a' }] }),
  );
  expect(spec).toMatchObject({ portDefinitions: [], ownNetwork: { networks: [{ name: 'a', labels: {} }] } });
  expect(hostPortCount(spec)).toBe(2);
  expect(wantedHostPorts(spec)).toEqual([0, 31_005]);
  const ports = taskPorts(spec, [31_001, 31_005], 'task-1');
  expect(ports).toMatchObject([
    { hostPort: 31_001, containerPort: 80, asked: 80 },
    { hostPort: null, containerPort: expect.any(Number), asked: 0 },
    { hostPort: 31_005, containerPort: 31_005 },
  ]);
  expect(ports[1]?.containerPort).toBeGreaterThan(1_024);
  expect(taskPorts(spec, [31_001, 31_005], 'task-1')).toEqual(ports);
});
