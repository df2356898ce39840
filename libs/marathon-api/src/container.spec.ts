/** Containers in an app: the form that is stored and shown, and what is refused of them, at its path. */
import { EkidenError, type AppId, type Violation } from '@ekiden/model';
import { normalizeApp } from './normalize-app.js';
import { toAppSpec } from './to-app-spec.js';

const OPTIONS = { defaultRole: '*' };
const normalize = (fields: object) => normalizeApp({ body: { id: '/shop/img', ...fields }, id: null, current: null, partial: false }, OPTIONS);
const image = (docker: object = {}, beside: object = {}) => ({ container: { type: 'DOCKER', docker: { image: 'nginx:1.19', ...docker }, ...beside } });

function violations(fields: object): readonly Violation[] {
  try {
    normalize(fields);
  } catch (error) {
    if (error instanceof EkidenError) return error.violations;
    throw error;
  }
  return [];
}

it('stores an image as Marathon shows it, and needs no command', () => {
  expect(normalize(image()).definition['container']).toEqual({
    type: 'DOCKER',
    docker: { image: 'nginx:1.19', forcePullImage: false, parameters: [], privileged: false },
    volumes: [],
  });
  expect(normalize({ container: { type: 'mesos', docker: { image: 'nginx', forcePullImage: true } } }).definition['container']).toEqual({
    type: 'MESOS',
    docker: { image: 'nginx', forcePullImage: true },
    volumes: [],
  });
});

it('is DOCKER when it does not say', () => {
  expect(normalize({ container: { docker: { image: 'nginx' } } }).definition['container']).toMatchObject({ type: 'DOCKER' });
});

it('becomes what a task is made of, also after an update that does not name it', () => {
  const volumes = [{ containerPath: '/data', hostPath: '/srv/x', mode: 'ro' }];
  const first = normalize({ ...image({ privileged: true }, { volumes }), args: ['-g', 'x'] }).definition;
  const { definition } = normalizeApp({ body: { instances: 3 }, id: '/shop/img' as AppId, current: first, partial: true }, OPTIONS);
  expect(toAppSpec(definition)).toMatchObject({
    instances: 3,
    command: { kind: 'argv', argv: ['-g', 'x'] },
    container: { kind: 'DOCKER', image: 'nginx:1.19', isPrivileged: true, volumes: [{ containerPath: '/data', hostPath: '/srv/x', isReadOnly: true }] },
  });
  expect(toAppSpec(normalize(image()).definition).command).toEqual({ kind: 'argv', argv: [] });
  expect(toAppSpec(normalize({ cmd: 'sleep 1' }).definition).container).toBeNull();
});

it('keeps the options of docker run as they were given, and says which change nothing', () => {
  const parameters = [
    { key: 'ulimit', value: 'nofile=1024' },
    { key: 'rm', value: 'true' },
  ];
  const { definition, warnings } = normalize(image({ parameters }));
  expect(definition['container']).toMatchObject({ docker: { parameters } });
  expect(toAppSpec(definition).container).toMatchObject({ parameters });
  expect(warnings).toEqual([expect.stringContaining('"rm"')]);
  expect(toAppSpec(normalize(image()).definition).container).not.toHaveProperty('parameters');
});

it.each([
  ['port mappings', image({}, { portMappings: [{ containerPort: 80 }] }), '/container/portMappings'],
  [
    'an unknown parameter',
    image({
      parameters: [
        { key: 'dns', value: '10.0.0.1' },
        { key: 'device', value: '/dev/fuse' },
      ],
    }),
    '/container/docker/parameters(1)',
  ],
  ['a parameter that is wrong', image({ parameters: [{ key: 'ulimit', value: 'x' }] }), '/container/docker/parameters(0)'],
  [
    'parameters of type MESOS',
    { container: { type: 'MESOS', docker: { image: 'x', parameters: [{ key: 'env', value: 'A=b' }] } } },
    '/container/docker/parameters',
  ],
  ['an entrypoint with a cmd', { ...image({ parameters: [{ key: 'entrypoint', value: '/x' }] }), cmd: 'sleep 1' }, '/container/docker/parameters'],
  ['two users', { ...image({ parameters: [{ key: 'user', value: 'a' }] }), user: 'b' }, '/container/docker/parameters'],
  ['a setting of the machine’s network', image({ parameters: [{ key: 'sysctl', value: 'net.core.somaxconn=9' }] }), '/container/docker/parameters'],
  ['secrets for the registry', image({ pullConfig: { secret: 'x' } }), '/container/docker/pullConfig'],
  ['persistent volumes', image({}, { volumes: [{ containerPath: 'data', mode: 'RW', persistent: { size: 1 } }] }), '/container/volumes(0)'],
  ['a volume without a host path', image({}, { volumes: [{ containerPath: '/data', mode: 'RW' }] }), '/container/volumes(0)/hostPath'],
  ['a volume without a mode', image({}, { volumes: [{ containerPath: '/data', hostPath: '/x' }] }), '/container/volumes(0)/mode'],
  ['a volume that leads up', image({}, { volumes: [{ containerPath: '/data', hostPath: '/srv/../etc', mode: 'RO' }] }), '/container/volumes(0)/hostPath'],
  ['no image', { cmd: 'sleep 1', container: { type: 'DOCKER' } }, '/container/docker/image'],
  ['a name with blanks', image({ image: 'a b' }), '/container/docker/image'],
  ['cmd and args', { ...image(), cmd: 'sleep 1', args: ['x'] }, '/'],
  ['a network of type MESOS', { container: { type: 'MESOS', docker: { image: 'x', network: 'HOST' } } }, '/container/docker/network'],
])('refuses %s', (_, fields, path) => {
  expect(violations(fields).map((each) => each.path)).toContain(path);
});
