import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { normalizeApp, toAppSpec } from '@ekiden/marathon-api';
import { decodeTaskData } from '@ekiden/mesos';
import { agentId, appId, newInstanceId, newTaskId, type Instance, type TaskRef } from '@ekiden/model';
import { buildTaskInfo } from './task-info.js';

const id = appId('/shop/web');
const instanceId = newInstanceId(id, '00000000-0000-1000-8000-000000000001');
const task: TaskRef = {
  taskId: newTaskId(instanceId, 1),
  agentId: agentId('A'),
  hostname: 'n1',
  agentAddress: 'n1:5051',
  attributes: {},
  region: null,
  zone: null,
  ports: [31_005, 31_007],
  streamId: 'S',
  stagedAt: 0,
};
const instance: Instance = {
  id: instanceId,
  appId: id,
  version: Date.UTC(2026, 0, 1),
  goal: 'running',
  incarnation: 1,
  createdAt: 0,
  condition: { kind: 'provisioned', since: 0, task },
  stop: null,
  backoffMs: 0,
};

const PINNED = `sha256:${'a'.repeat(64)}`;

function build(body: Record<string, unknown>, extended = true, more: Partial<TaskRef> = {}) {
  const { definition } = normalizeApp({ body: { id: '/shop/web', cmd: 'run', ...body }, id: null, current: null, partial: false }, { defaultRole: '*' });
  const resources = { cpusMilli: 500, memMib: 64, diskMib: 0, gpus: 0, ports: [{ begin: 31_005, end: 31_005 }] };
  return buildTaskInfo({ spec: toAppSpec(definition), instance, task: { ...task, ...more }, resources, role: '*', extended });
}

const envOf = (info: ReturnType<typeof build>) => Object.fromEntries((info.command?.environment?.variables ?? []).map(({ name, value }) => [name, value]));

describe('the TaskInfo of a launch', () => {
  it('has the environment that Marathon gives', () => {
    const info = build({
      cpus: 0.5,
      mem: 64,
      labels: { 'team name': 'shop', x: 'y' },
      env: { HOST: 'mine', EXTRA: '1' },
      portDefinitions: [
        { port: 10_001, name: 'http' },
        { port: 10_002, name: 'admin' },
      ],
    });
    expect(envOf(info)).toEqual({
      MESOS_TASK_ID: task.taskId,
      MARATHON_APP_ID: '/shop/web',
      MARATHON_APP_VERSION: '2026-01-01T00:00:00.000Z',
      MARATHON_APP_RESOURCE_CPUS: '0.5',
      MARATHON_APP_RESOURCE_MEM: '64.0',
      MARATHON_APP_RESOURCE_DISK: '0.0',
      MARATHON_APP_RESOURCE_GPUS: '0',
      MARATHON_APP_ENFORCE_GROUP_ROLE: 'FALSE',
      MARATHON_APP_LABELS: 'TEAM_NAME X',
      MARATHON_APP_LABEL_TEAM_NAME: 'shop',
      MARATHON_APP_LABEL_X: 'y',
      HOST: 'mine',
      EXTRA: '1',
      PORT: '31005',
      PORTS: '31005,31007',
      PORT0: '31005',
      PORT1: '31007',
      PORT_10001: '31005',
      PORT_10002: '31007',
      PORT_HTTP: '31005',
      PORT_ADMIN: '31007',
    });
  });

  it.each([
    ['one that nobody has asked about', 'web:1', {}, 'web:1', 'ask'],
    ['one that is known', 'web:1', { imageDigest: PINNED }, `web:1@${PINNED}`, 'pinned'],
    ["the user's own digest", `web@${PINNED}`, {}, `web@${PINNED}`, undefined],
  ])('names its image: %s', (_what, image, more, named, says) => {
    for (const type of ['DOCKER', 'MESOS']) {
      const info = build({ container: { type, docker: { image } } }, true, more);
      expect(info.container).toMatchObject(type === 'DOCKER' ? { docker: { image: named } } : { mesos: { image: { docker: { name: named } } } });
      expect(decodeTaskData(info.data)?.image).toBe(says);
    }
  });

  it('carries digests in the order of the URIs, in lower case', () => {
    const info = build({ fetch: [{ uri: 'http://a/b' }, { uri: 'http://a/c', sha256: 'AB'.repeat(32) }] });
    expect(decodeTaskData(info.data)?.digests).toEqual([null, 'ab'.repeat(32)]);
    expect(decodeTaskData(build({ fetch: [{ uri: 'http://a/b' }] }).data)?.digests).toBeUndefined();
  });

  it.each([
    ['a shell command', { cmd: 'echo "ran $0"' }],
    ['argv', { cmd: undefined, args: ['/bin/echo', 'ran', "it's"] }],
  ])('has %s look at digests where the master passes no data on', (_what, command) => {
    const dir = mkdtempSync(join(tmpdir(), 'ekiden-digest-'));
    try {
      writeFileSync(join(dir, "it's b"), 'hello');
      const run = (sha256: string) => {
        const { value = '', arguments: argv, shell } = build({ ...command, fetch: [{ uri: 'http://a/b', destPath: "it's b", sha256 }] }, false).command ?? {};
        return shell
          ? spawnSync('/bin/sh', ['-c', value], { cwd: dir, encoding: 'utf8' })
          : spawnSync(value, (argv ?? []).slice(1), { cwd: dir, encoding: 'utf8' });
      };
      expect(run(createHash('sha256').update('hello').digest('hex'))).toMatchObject({ status: 0, stdout: expect.stringContaining('ran') });
      expect(run('ab'.repeat(32))).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('another sha256 than the app says') });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('carries checks with their ports resolved in its data', () => {
    const info = build({
      portDefinitions: [
        { port: 0, name: 'http' },
        { port: 0, name: 'admin' },
      ],
      healthChecks: [{ protocol: 'HTTP', path: '/health', portIndex: 1 }],
      readinessChecks: [{ name: 'ready', portName: 'http', path: '/ready' }],
    });
    const data = decodeTaskData(info.data);
    expect(data?.healthChecks[0]).toMatchObject({ path: '/health', port: 31_007, portIndex: null });
    expect(data?.readinessCheck).toMatchObject({ path: '/ready', port: 31_005 });
    expect(info.health_check).toBeUndefined();
  });

  describe('of an app with a network of its own', () => {
    const image = (kind: string, portMappings: object[]) => ({ cmd: undefined, container: { type: kind, docker: { image: 'nginx' }, portMappings } });
    const MAPPINGS = [
      { containerPort: 80, hostPort: 0, name: 'http', labels: { VIP_0: '/x:80' } },
      { containerPort: 53, hostPort: 31_007, protocol: 'udp,tcp' },
    ];
    const mapped = [
      { host_port: 31_005, container_port: 80, protocol: 'tcp' },
      { host_port: 31_007, container_port: 53, protocol: 'udp' },
      { host_port: 31_007, container_port: 53, protocol: 'tcp' },
    ];
    const bridge = { networks: [{ mode: 'container/bridge' }] };
    const blue = { networks: [{ mode: 'container', name: 'blue', labels: { a: 'b' } }] };
    const checks = ['HTTP', 'MESOS_HTTP'].map((protocol) => ({ healthChecks: [{ protocol, portIndex: 0 }] }));
    const targetOf = (info: ReturnType<typeof build>) => decodeTaskData(info.data)?.healthChecks.map(({ port, atTask }) => ({ port, atTask }))[0];

    it('names networks and ports as Mesos has them for each kind of container', () => {
      expect(build({ ...image('DOCKER', MAPPINGS), ...bridge }).container).toMatchObject({ docker: { network: 'BRIDGE', port_mappings: mapped } });
      expect(build({ ...image('MESOS', MAPPINGS), ...bridge }).container).toMatchObject({ network_infos: [{ name: 'mesos-bridge', port_mappings: mapped }] });
      const infos = [{ name: 'blue', labels: { labels: [{ key: 'a', value: 'b' }] } }];
      expect(build({ ...image('DOCKER', MAPPINGS), ...blue }).container).toMatchObject({
        docker: { network: 'USER', port_mappings: mapped },
        network_infos: infos,
      });
      const several = { ...image('MESOS', [{ containerPort: 1, hostPort: 0, networkNames: ['b'] }]), networks: [{ name: 'a' }, { name: 'b' }] };
      expect(build(several).container).toMatchObject({
        network_infos: [
          { name: 'a', port_mappings: [] },
          { name: 'b', port_mappings: [{ host_port: 31_005 }] },
        ],
      });
    });

    it('tells its ports in the environment and to whoever discovers it', () => {
      const info = build({ ...image('DOCKER', [...MAPPINGS, { containerPort: 9 }]), ...blue });
      const ports = {
        PORT: '31005',
        PORTS: '31005,31007',
        PORT0: '31005',
        PORT_80: '31005',
        PORT_HTTP: '31005',
        PORT1: '31007',
        PORT_53: '31007',
        PORT2: '9',
        PORT_9: '9',
      };
      expect(envOf(info)).toMatchObject({ ...ports, MARATHON_APP_DOCKER_IMAGE: 'nginx' });
      expect(info.discovery?.ports?.ports?.map(({ number, protocol, labels }) => [number, protocol, labels?.labels?.at(-1)?.value])).toEqual([
        [31_005, 'tcp', 'host'],
        [31_007, 'udp', 'host'],
        [31_007, 'tcp', 'host'],
        [9, 'tcp', 'container'],
      ]);
      const generated = envOf(build({ ...image('DOCKER', [{ containerPort: 0 }]), ...blue }));
      expect(generated['PORTS']).toMatch(new RegExp(`,${generated['PORT0']}$`));
    });

    it('is asked for its health where its clients go, or in its own network', () => {
      const targets = (networks: object) => checks.map((check) => targetOf(build({ ...image('DOCKER', MAPPINGS), ...networks, ...check })));
      expect(targets(bridge)).toEqual([{ port: 31_005 }, { port: 80, atTask: true }]);
      expect(targets(blue)).toEqual([
        { port: 80, atTask: true },
        { port: 80, atTask: true },
      ]);
      expect(build({ ...image('DOCKER', MAPPINGS), ...bridge, ...checks[0] }, false).health_check).toMatchObject({ http: { port: 80 } });
      const ready = build({ ...image('DOCKER', MAPPINGS), ...bridge, readinessChecks: [{ portName: 'http' }] });
      expect(decodeTaskData(ready.data)?.readinessCheck).toMatchObject({ port: 31_005 });
    });
  });

  it('passes limits on as Mesos spells them, and none that nobody asked for', () => {
    const limits = (resourceLimits: unknown) => build({ cpus: 0.5, mem: 64, ...(resourceLimits === null ? {} : { resourceLimits }) }).limits;
    expect(limits({ cpus: 2, mem: 'unlimited' })).toEqual({ cpus: { value: 2 }, mem: { value: 'Infinity' } });
    expect(limits({ mem: 96.5 })).toEqual({ mem: { value: 97 } });
    expect(limits(null)).toBeUndefined();
  });

  it('leaves the first check to a plain Mesos, and writes no data there', () => {
    const info = build({ healthChecks: [{ protocol: 'TCP', portIndex: 0 }] }, false);
    expect(info.data).toBeUndefined();
    expect(info.health_check).toMatchObject({ type: 'TCP', tcp: { port: 31_005 } });
  });

  it('keeps arguments apart, and names the task as Marathon does', () => {
    const { command, name, kill_policy } = build({ cmd: undefined, args: ['/bin/echo', 'a b'], taskKillGracePeriodSeconds: 7 });
    expect(command).toMatchObject({ shell: false, value: '/bin/echo', arguments: ['/bin/echo', 'a b'] });
    expect(name).toBe('web.shop');
    expect(kill_policy).toEqual({ grace_period: { nanoseconds: 7_000_000_000 } });
  });
});
