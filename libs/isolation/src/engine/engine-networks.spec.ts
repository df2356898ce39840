/** Networks that an engine makes, when it loses answers, goes away, or was left by an agent that was killed; and the program that holds them. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BRIDGE_NETWORK, NO_DOCKER_OPTIONS, taskId } from '@ekiden/model';
import { type FakeEngine, startFakeEngine } from '../../test/fake-engine.js';
import { silentLog, until } from '../../test/real-tasks.js';
import type { NetworkWish } from '../networks/task-networks.js';
import { isAlive, readStat } from '../proc.js';
import { type EngineNetworks, createEngineNetworks, readTraffic } from './engine-networks.js';
import { parseHolderRecord } from './holder-record.js';
import { holderName, holderRequest, readHolder } from './holder.js';
import { holdProgram } from './hold-image.js';
import { networksOfEngine } from './probe-engine.js';

const ID = taskId('task.1');
const NAME = holderName('test', ID);
const WISH: NetworkWish = {
  taskId: ID,
  networks: [
    {
      name: BRIDGE_NETWORK,
      ports: [
        { hostPort: 31_000, containerPort: 80, protocol: 'tcp' },
        { hostPort: 31_001, containerPort: 80, protocol: 'tcp' },
        { hostPort: 31_000, containerPort: 80, protocol: 'udp' },
      ],
    },
  ],
};

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'ekiden-engine-networks-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('with an engine', () => {
  let engine: FakeEngine;
  let networks: EngineNetworks;
  const open = (): EngineNetworks =>
    createEngineNetworks({
      dir: join(dir, 'networks'),
      instance: 'test',
      engine: () => ({ socket: engine.socket, architecture: 'x86_64' }),
      nameservers: [],
      log: silentLog,
    });

  beforeEach(async () => {
    engine = await startFakeEngine();
    networks = open();
  });
  afterEach(() => engine.close());

  it('makes one holder, whichever answer is lost on the way, and takes it away twice without harm', async () => {
    engine.fault('GET', '/networks', { kind: 'cut-before' });
    engine.fault('POST', '/create', { kind: 'cut-after' });
    engine.fault('POST', '/start', { kind: 'cut-after' });
    engine.fault('GET', '/json', { kind: 'half' });
    expect(await networks.attach(WISH)).toMatchObject({ addresses: ['172.17.0.9'], holder: NAME });
    expect([...engine.containers.values()].map(({ name, starts }) => [name, starts])).toEqual([[NAME, 1]]);
    expect(networks.find(ID)).toMatchObject({ addresses: ['172.17.0.9'] });
    engine.fault('DELETE', NAME, { kind: 'cut-after' });
    await expect(networks.detach(ID)).rejects.toThrow('does not answer');
    expect(networks.has(ID)).toBe(true);
    await networks.detach(ID);
    await networks.detach(ID);
    expect(engine.containers.size).toBe(0);
    expect(networks.find(ID)).toBeNull();
  });

  it('fails with the engine’s reason, and leaves neither holder nor record', async () => {
    engine.fault('POST', '/start', { kind: 'refuse', status: 500, message: 'Bind for 0.0.0.0:31000 failed: port is already allocated' });
    await expect(networks.attach(WISH)).rejects.toThrow('its network cannot be made: Bind for 0.0.0.0:31000 failed: port is already allocated');
    expect(engine.containers.size).toBe(0);
    expect(networks.has(ID)).toBe(false);
    await expect(networks.attach({ ...WISH, networks: [{ name: 'green', ports: [] }] })).rejects.toThrow('no network "green"');
  });

  it('is known to the next agent, and what nobody knows is taken away, also once the engine is back, or without a record', async () => {
    await networks.attach(WISH);
    networks = open();
    expect(networks.find(ID)).toMatchObject({ addresses: ['172.17.0.9'], holder: NAME });
    expect(await networks.sweep(new Set([ID]))).toBe(0);
    await engine.stop();
    await networks.sweep(new Set());
    expect(networks.has(ID)).toBe(true);
    await engine.start();
    await networks.sweep(new Set());
    expect(engine.containers.size).toBe(0);
    await networks.attach(WISH);
    rmSync(join(dir, 'networks'), { recursive: true });
    networks = open();
    expect(await networks.sweep(new Set())).toBe(1);
    expect(engine.containers.size).toBe(0);
  });

  it('says once when somebody has removed what holds it', async () => {
    const said: string[] = [];
    networks = createEngineNetworks({
      dir: join(dir, 'networks'),
      instance: 'test',
      engine: () => ({ socket: engine.socket, architecture: 'x86_64' }),
      nameservers: [],
      log: { ...silentLog, warn: (event) => said.push(event) },
    });
    await networks.attach(WISH);
    await networks.sweep(new Set([ID]));
    engine.containers.clear();
    for (let round = 0; round < 2; round += 1) await networks.sweep(new Set([ID]));
    expect(said).toEqual(['network-lost']);
  });

  it('begins anew where an agent was killed in the middle', async () => {
    engine.fault('POST', '/start', { kind: 'cut-before' });
    engine.fault('POST', '/create', { kind: 'cut-after' });
    void networks.attach(WISH).catch(() => undefined);
    await until('the holder to be made', () => engine.containers.size === 1);
    networks = open();
    expect(networks.find(ID)).toBeNull();
    await networks.attach(WISH);
    expect(engine.containers.size).toBe(1);
  });

  it('sets a record aside that it cannot read', () => {
    const records = join(dir, 'networks', 'tasks');
    writeFileSync(join(records, 'x.json'), '{"v":99}');
    open();
    expect(readdirSync(records)).toEqual(['x.json.damaged']);
  });
});

it('asks for all ports, and tells names where they belong', () => {
  const names = { ...NO_DOCKER_OPTIONS, hostname: 'web', hosts: [{ name: 'db', address: '10.0.0.7' }], searchDomains: ['lan'] };
  expect(holderRequest({ wish: { ...WISH, names }, instance: 'test', network: 'bridge', nameservers: ['10.9.9.9'] })).toMatchObject({
    Hostname: 'web',
    ExposedPorts: { '80/tcp': {}, '80/udp': {} },
    HostConfig: {
      NetworkMode: 'bridge',
      PortBindings: { '80/tcp': [{ HostPort: '31000' }, { HostPort: '31001' }], '80/udp': [{ HostPort: '31000' }] },
      ExtraHosts: ['db:10.0.0.7'],
      Dns: ['10.9.9.9'],
      DnsSearch: ['lan'],
    },
  });
});

it('reads addresses in the order that was asked for', () => {
  const Networks = { blue: { IPAddress: '10.78.0.2', GlobalIPv6Address: '' }, bridge: { IPAddress: '172.17.0.2', GlobalIPv6Address: 'fd00::2' } };
  expect(readHolder({ Id: 'abc', State: { Pid: 7 }, NetworkSettings: { Networks } }, ['bridge', 'blue'])).toEqual({
    id: 'abc',
    pid: 7,
    addresses: ['172.17.0.2', 'fd00::2', '10.78.0.2'],
  });
});

it('knows which networks an engine offers', () => {
  const listed = ['bridge', 'host', 'none', 'blue'].map((Name) => ({ Name }));
  expect(networksOfEngine(listed, 'x86_64')).toEqual({ kind: 'ready', names: [BRIDGE_NETWORK, 'blue'] });
  expect(networksOfEngine(listed.slice(1, 3), 'x86_64')).toMatchObject({ kind: 'none', why: expect.stringContaining('no network but that of the machine') });
  expect(networksOfEngine(listed, 's390x')).toMatchObject({ kind: 'none', why: expect.stringContaining('none for s390x') });
});

it('counts what an engine tells of traffic', () => {
  const one = { rx_bytes: 10, rx_packets: 1, tx_bytes: 20, tx_packets: 2 };
  expect(readTraffic({ networks: { eth0: one, eth1: one } })).toEqual({ receivedBytes: 20, receivedPackets: 2, sentBytes: 40, sentPackets: 4 });
  expect(readTraffic({})).toBeNull();
});

it('refuses a record of another version', () => {
  expect(() => parseHolderRecord('{"v":2}')).toThrow('no record of version 1');
});

it('holds with a program that runs until it is killed, and does nothing', async () => {
  expect(holdProgram('aarch64').length % 4).toBe(0);
  expect(() => holdProgram('s390x')).toThrow('s390x');
  if (process.arch !== 'x64') return;
  const path = join(dir, 'hold');
  writeFileSync(path, holdProgram('x86_64'));
  chmodSync(path, 0o755);
  const held = spawn(path, { stdio: 'ignore' });
  await until('it to wait', () => readStat(held.pid ?? 0)?.state === 'S');
  const ref = readStat(held.pid ?? 0);
  expect(ref !== null && isAlive(ref)).toBe(true);
  const ended = new Promise((resolve) => held.on('exit', (_, signal) => resolve(signal)));
  held.kill('SIGKILL');
  expect(await ended).toBe('SIGKILL');
});
