/** The pure parts of networks: configurations, private networks, what plugins are told and what is read of their answers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { taskId } from '@ekiden/model';
import { silentLog } from '../../test/real-tasks.js';
import { hostsFile, resolvConf } from '../oci/network-files.js';
import { bridgeNetwork, containersWithPorts, rulesOfBridge, seedOf } from './bridge-network.js';
import { parseNetworkList, pluginInput, readResult, takesPorts } from './cni-config.js';
import { countersIn, type MachineNetwork } from './machine-network.js';
import { readNetworkConfigs } from './network-configs.js';
import { findTool } from '../launch-tools.js';
import type { PluginCall } from './run-plugin.js';
import { chooseSubnet, gatewayOf, knownSubnets, overlaps, parseSubnet, subnetText, type Subnet } from './subnets.js';
import { createTaskNetworks, type TaskNetworks } from './task-networks.js';
import { findMutePlugins, pluginTypes } from './try-plugins.js';

const subnet = (text: string): Subnet => {
  const parsed = parseSubnet(text);
  if (parsed === null) throw new Error(`${text} is none`);
  return parsed;
};

describe('configurations', () => {
  it('are lists of plugins, or one plugin', () => {
    expect(parseNetworkList('{"name":"a","cniVersion":"0.4.0","plugins":[{"type":"x"},{"type":"y"}]}').plugins).toHaveLength(2);
    expect(parseNetworkList('{"name":"a","type":"x","mtu":9000}')).toEqual({ name: 'a', cniVersion: '0.3.1', plugins: [{ type: 'x', mtu: 9000 }] });
  });

  it.each([
    ['no JSON', '{', 'JSON'],
    ['a name that leads elsewhere', '{"name":"../x","type":"x"}', 'name'],
    ['a plugin with a path', '{"name":"a","plugins":[{"type":"../../bin/sh"}]}', 'type'],
    ['no plugin', '{"name":"a","plugins":[]}', 'plugins'],
    ['a version of another form', '{"name":"a","cniVersion":"0.1.0","type":"x"}', 'cniVersion'],
  ])('are not %s', (_, text, why) => {
    expect(() => parseNetworkList(text)).toThrow(why);
  });

  it('are read from a directory, where one that is wrong keeps no other', () => {
    const dir = mkdtempSync(join(tmpdir(), 'ekiden-cni-'));
    try {
      writeFileSync(join(dir, '1.conflist'), '{"name":"a","plugins":[{"type":"x"}]}');
      writeFileSync(join(dir, '2.conf'), '{"name":"a","type":"y"}');
      writeFileSync(join(dir, '3.conf'), '{');
      writeFileSync(join(dir, 'notes.txt'), 'hello');
      const { networks, wrong } = readNetworkConfigs(dir);
      expect([...networks.keys()]).toEqual(['a']);
      expect(wrong).toEqual([expect.stringContaining('2.conf'), expect.stringContaining('3.conf')]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('reach a plugin with what it asks for of the runtime, and the answer of the one before', () => {
    const list = bridgeNetwork({ bridge: 'ek1', subnet: subnet('172.24.4.0/22'), mtu: 1400, nameservers: [], leaseDir: '/l' });
    const [bridge, portmap] = list.plugins;
    const ports = [{ hostPort: 1, containerPort: 2, protocol: 'tcp' as const }];
    expect(takesPorts(list)).toBe(true);
    expect(pluginInput(list, bridge!, ports, null)).toMatchObject({
      name: 'ek1',
      mtu: 1400,
      ipam: { ranges: [[{ subnet: '172.24.4.0/22', gateway: '172.24.4.1' }]] },
    });
    expect(pluginInput(list, bridge!, ports, null)).not.toHaveProperty('runtimeConfig');
    expect(pluginInput(list, portmap!, ports, { ips: [] })).toMatchObject({ runtimeConfig: { portMappings: ports }, prevResult: { ips: [] } });
    expect(pluginInput(list, portmap!, ports, null)).not.toHaveProperty('capabilities');
  });

  it('answer with addresses, cables and resolvers, or with less', () => {
    const answer = {
      interfaces: [{ name: 'ek1' }, { name: 'veth12' }, { name: 'eth0', sandbox: '/run/netns/x' }],
      ips: [{ address: '172.24.4.2/22' }, {}],
      dns: { nameservers: ['10.0.0.1'], domain: 'd', search: ['s'] },
    };
    expect(readResult(answer)).toEqual({
      addresses: ['172.24.4.2'],
      hostInterfaces: ['veth12'],
      dns: { nameservers: ['10.0.0.1'], search: ['d', 's'], options: [] },
    });
    expect(readResult(null).addresses).toEqual([]);
  });
});

describe('private networks', () => {
  it('are read and written', () => {
    expect(subnetText(subnet('10.1.2.3/16'))).toBe('10.1.0.0/16');
    expect(gatewayOf(subnet('10.1.0.0/16'))).toBe('10.1.0.1/16');
    expect(parseSubnet('192.0.2.7')).toEqual({ base: 0xc000_0207, prefix: 32 });
    for (const wrong of ['10.0.0.256/8', '10.0.0.0/33', 'x', '::/0', '10.0.0']) expect(parseSubnet(wrong)).toBeNull();
  });

  it('are chosen where the machine has none, the same one each time', () => {
    const first = chooseSubnet(7, []);
    expect(first).toEqual(chooseSubnet(7, []));
    const second = chooseSubnet(7, [first!]);
    expect(overlaps(first!, second!)).toBe(false);
    expect(chooseSubnet(7, [subnet('172.16.0.0/12')])).toBeNull();
    expect(overlaps(subnet('10.0.0.0/8'), subnet('10.255.0.0/24'))).toBe(true);
    expect(overlaps(subnet('10.0.0.0/24'), subnet('10.0.1.0/24'))).toBe(false);
  });

  it('are known from routes and addresses, without our own bridge', () => {
    const routes = [{ dst: 'default', dev: 'eth0' }, { dst: '172.17.0.0/16', dev: 'docker0' }, { dst: '172.24.0.0/22', dev: 'ek1' }, {}];
    const addresses = [
      { ifname: 'eth0', addr_info: [{ local: '192.0.2.2', prefixlen: 24 }] },
      { ifname: 'ek1', addr_info: [{ local: '172.24.0.1', prefixlen: 22 }] },
    ];
    expect(knownSubnets(routes, addresses, 'ek1').map(subnetText)).toEqual(['172.17.0.0/16', '192.0.2.0/24']);
  });

  it('begin at another place for each agent', () => {
    expect(seedOf('a 0')).not.toBe(seedOf('b 0'));
  });
});

it('reads whose ports are led from the rules of the machine', () => {
  const entry = String.raw`-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"ek1\" id: \"ekiden-1\"" -m multiport --dports 80 -j CNI-DN-1`;
  const asked = ['PREROUTING', 'OUTPUT'].map((chain) => `-A ${chain} -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT`);
  expect([...containersWithPorts([...asked, entry].join('\n'))]).toEqual(['ekiden-1']);
  expect(containersWithPorts([asked[0], entry].join('\n')).size).toBe(0);
});

it('finds the rules of one bridge', () => {
  const rules = ['-P FORWARD ACCEPT', '-A FORWARD -i ek1 -j ACCEPT', '-A FORWARD -o ek12 -j ACCEPT', '-A POSTROUTING -s 10.0.0.0/22 ! -o ek1 -j MASQUERADE'];
  expect(rulesOfBridge(rules.join('\n'), 'ek1')).toEqual([
    ['FORWARD', '-i', 'ek1', '-j', 'ACCEPT'],
    ['POSTROUTING', '-s', '10.0.0.0/22', '!', '-o', 'ek1', '-j', 'MASQUERADE'],
  ]);
});

it('reads the counters of interfaces', () => {
  const table = 'Inter-| Receive | Transmit\n face |bytes packets\n  veth1: 10 2 0 0 0 0 0 0 30 4 0 0 0 0 0 0\n';
  expect(countersIn(table).get('veth1')).toEqual({ receivedBytes: 10, receivedPackets: 2, sentBytes: 30, sentPackets: 4 });
  expect(countersIn(table).size).toBe(1);
});

describe('the files of names', () => {
  const none = { nameservers: [], search: [], options: [] };

  it('leave out resolvers of the machine’s loopback, for those behind them', () => {
    expect(resolvConf(none, ['nameserver 127.0.0.53\nsearch a\n', '# x\nnameserver 10.0.0.2\nsearch a b\noptions edns0\n'])).toBe(
      'nameserver 10.0.0.2\nsearch a b\noptions edns0\n',
    );
    expect(resolvConf(none, ['nameserver 8.8.4.4\nnameserver ::1\n', ''])).toBe('nameserver 8.8.4.4\n');
    expect(resolvConf({ ...none, nameservers: ['1.1.1.1'] }, ['nameserver 8.8.4.4\nsearch a\n'])).toBe('nameserver 1.1.1.1\nsearch a\n');
  });

  it('name the container', () => {
    expect(hostsFile({ hostname: 'h', addresses: ['10.0.0.2'] })).toContain('10.0.0.2\th\n');
  });
});

describe('making and taking away', () => {
  let dir: string;
  let calls: PluginCall[];
  let fails: (call: PluginCall) => boolean;
  const names = new Set<string>();
  const bridges = new Set<string>();
  /** Somebody has emptied the machine's rules. */
  let isEmptied = false;
  const machine: MachineNetwork = {
    addNamespace: (name) => Promise.resolve(void names.add(name)),
    removeNamespace: (name) => Promise.resolve(void names.delete(name)),
    namespacePath: (name) => (names.has(name) ? `/n/${name}` : ''),
    namespaces: () => Promise.resolve([...names]),
    subnets: () => Promise.resolve([]),
    mtu: () => Promise.resolve(null),
    hasBridge: (name) => Promise.resolve(bridges.has(name)),
    makeBridge: (name) => Promise.resolve(void bridges.add(name)),
    removeBridge: (name) => Promise.resolve(void bridges.delete(name)),
    containersWithPorts: () => Promise.resolve(new Set(isEmptied ? [] : names)),
    counters: () => new Map([['veth1', { receivedBytes: 1, receivedPackets: 2, sentBytes: 3, sentPackets: 4 }]]),
  };
  const open = (bootId = 'boot'): TaskNetworks =>
    createTaskNetworks({
      ...{ dir, instance: '0123456789ab', bootId, pluginDirs: ['/p'], machine, subnet: null, nameservers: [], log: silentLog },
      configured: (name) => (name === 'blue' ? parseNetworkList('{"name":"blue","type":"x"}') : null),
      runPlugin: (call) => {
        calls.push(call);
        if (fails(call)) return Promise.reject(new Error('it fails'));
        return Promise.resolve(call.command === 'ADD' ? { interfaces: [{ name: 'veth1' }], ips: [{ address: '10.0.0.2/8' }] } : null);
      },
    });
  const wish = (id: string, hostPort = 80) => ({
    taskId: taskId(id),
    networks: [{ name: 'mesos-bridge', ports: [{ hostPort, containerPort: 80, protocol: 'tcp' as const }] }],
  });
  const said = (): string[] => calls.map(({ command, type }) => `${command} ${type}`);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ekiden-networks-'));
    calls = [];
    fails = () => false;
    isEmptied = false;
    names.clear();
    bridges.clear();
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('goes plugin by plugin, and back with what they answered', async () => {
    const networks = open();
    const made = await networks.attach(wish('t'));
    expect(made).toMatchObject({ addresses: ['10.0.0.2'] });
    expect(bridges.size).toBe(1);
    expect(networks.traffic([taskId('t'), taskId('other')])).toEqual(
      new Map([[taskId('t'), { receivedBytes: 3, receivedPackets: 4, sentBytes: 1, sentPackets: 2 }]]),
    );
    await open().detach(taskId('t'));
    expect(said()).toEqual(['ADD bridge', 'ADD portmap', 'DEL portmap', 'DEL bridge']);
    expect(calls[2]?.input).toMatchObject({ prevResult: { ips: [{ address: '10.0.0.2/8' }] }, runtimeConfig: { portMappings: [{ hostPort: 80 }] } });
    expect([names.size, bridges.size]).toEqual([0, 0]);
  });

  it('takes away what was made before a failure', async () => {
    const networks = open();
    fails = ({ command, type }) => command === 'ADD' && type === 'portmap';
    await expect(networks.attach(wish('t'))).rejects.toThrow('its network cannot be made: it fails');
    expect(said()).toEqual(['ADD bridge', 'ADD portmap', 'DEL portmap', 'DEL bridge']);
    expect(networks.find(taskId('t'))).toBeNull();
  });

  it('keeps what it cannot take away, refuses its ports meanwhile, and gives up in the end', async () => {
    const networks = open();
    await networks.attach(wish('t'));
    fails = ({ command }) => command === 'DEL';
    await expect(networks.detach(taskId('t'))).rejects.toThrow('it fails');
    await expect(networks.attach(wish('u'))).rejects.toThrow('80/tcp still leads to the task t');
    for (let round = 0; round < 3; round += 1) await networks.sweep(new Set());
    expect(names.size).toBe(1);
    await networks.sweep(new Set());
    expect(names.size).toBe(0);
    await expect(networks.attach(wish('u'))).resolves.toBeDefined();
  });

  it('takes away nothing of known tasks, and namespaces that nobody remembers', async () => {
    await open().attach(wish('t'));
    names.add('ekiden-0123456789ab-lost');
    names.add('of-others');
    await open().sweep(new Set([taskId('t')]));
    expect([...names].filter((name) => name.endsWith('lost'))).toEqual([]);
    expect(names.size).toBe(2);
  });

  it('leads ports again where the rules of the machine were emptied, and only there', async () => {
    await open().attach(wish('t'));
    calls = [];
    await open().sweep(new Set([taskId('t')]));
    expect(said()).toEqual([]);
    isEmptied = true;
    await open().sweep(new Set([taskId('t')]));
    expect(said()).toEqual(['DEL portmap', 'ADD portmap']);
    expect(calls[1]?.input).toMatchObject({ prevResult: { ips: [{ address: '10.0.0.2/8' }] }, runtimeConfig: { portMappings: [{ hostPort: 80 }] } });
  });

  it('does not insist after another boot, when all but leases is gone anyway', async () => {
    await open().attach(wish('t'));
    fails = () => true;
    expect(await open('next').sweep(new Set())).toBe(1);
    expect(names.size).toBe(0);
  });

  it('knows the networks of the operator and says which it does not have', async () => {
    const networks = open();
    await networks.attach({ taskId: taskId('t'), networks: [{ name: 'blue', ports: [] }] });
    await expect(networks.attach({ taskId: taskId('u'), networks: [{ name: 'red', ports: [] }] })).rejects.toThrow('no network "red"');
    await expect(networks.attach({ ...wish('v'), networks: [{ ...wish('v').networks[0]!, name: 'blue' }] })).rejects.toThrow('maps no ports');
  });
});

describe('plugins that are asked whether they answer', () => {
  let dir = '';
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'ekiden-plugins-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const setpriv = findTool('setpriv') ?? 'setpriv';
  const plugin = (name: string, script: string, mode = 0o755): void => writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`, { mode });

  it('may say anything', async () => {
    plugin('knows', 'echo "{}"');
    plugin('is-old', 'echo "unknown CNI_COMMAND $CNI_COMMAND" >&2; exit 1');
    expect(await findMutePlugins(['knows', 'is-old'], [dir], setpriv)).toEqual(new Map());
  });

  it('are left out where they hang or are not there, with the reason', async () => {
    plugin('hangs', 'exec sleep 100000');
    plugin('hangs-with-a-child', 'sleep 30; true');
    const mute = await findMutePlugins(['hangs', 'hangs-with-a-child', 'absent', 'hangs'], [dir], setpriv, 200);
    expect([...mute.keys()].sort()).toEqual(['absent', 'hangs', 'hangs-with-a-child']);
    expect(mute.get('hangs')).toBe('the CNI plugin "hangs" gave no answer within 0.2 s');
    expect(mute.get('absent')).toBe(`there is no CNI plugin "absent" in ${dir}`);
  });

  it('are those of a network, and what gives out its addresses', () => {
    const list = parseNetworkList(JSON.stringify({ name: 'n', plugins: [{ type: 'ptp', ipam: { type: 'dhcp' } }, { type: 'portmap' }, { type: 'ptp' }] }));
    expect(pluginTypes(list)).toEqual(['ptp', 'dhcp', 'portmap']);
  });
});
