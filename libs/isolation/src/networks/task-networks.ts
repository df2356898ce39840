/**
 * The networks of tasks: made before a task starts, taken away when its last process is gone, found again by the next agent.
 *
 *   record ─► namespace ─► plugin by plugin, each answer recorded ─► the task ─► plugins in reverse order ─► namespace ─► record
 *
 * A crash at any arrow leaves a record, and whatever the record names can be taken away twice. A network that cannot be taken away stays
 * recorded, its ports are refused to others meanwhile, and the next sweeps try again, a bounded number of times.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BRIDGE_NETWORK, type DockerOptions, type Log, type TaskId } from '@ekiden/model';
import { reasonOf } from '../reason-of.js';
import { bridgeNetwork, seedOf } from './bridge-network.js';
import { pluginInput, readResult, takesPorts, type DnsSettings, type NetworkList, type PortForward } from './cni-config.js';
import { plusCounters, type InterfaceCounters, type MachineNetwork } from './machine-network.js';
import { containerIdOf, containerPrefix, NETWORK_RECORD_VERSION, openNetworkRecords, type Attachment, type NetworkRecord } from './network-records.js';
import type { PluginCall, RunPlugin } from './run-plugin.js';
import { createTaskTurns } from './task-turns.js';
import { chooseSubnet, overlaps, parseSubnet, subnetText, type Subnet } from './subnets.js';

export interface NetworkWish {
  readonly taskId: TaskId;
  /** In the order of the interfaces eth0, eth1 …; at least one. */
  readonly networks: readonly {
    /** One that the operator has configured; `BRIDGE_NETWORK` is the agent's own bridge otherwise. */
    readonly name: string;
    readonly ports: readonly PortForward[];
  }[];
  /** What its containers are told of names, where that belongs to the network (a container engine's). Absent: nothing but the usual. */
  readonly names?: NetworkNames;
}

export type NetworkNames = Pick<DockerOptions, 'hostname' | 'hosts' | 'nameservers' | 'searchDomains' | 'resolverOptions'>;

export interface TaskNetwork {
  /** Where its network namespace can be entered. Empty: not from this machine. */
  readonly namespace: string;
  readonly addresses: readonly string[];
  readonly dns: DnsSettings;
  /** Of a container engine: the container that holds it open, whose network others of that engine join. */
  readonly holder?: string;
}

export interface TaskNetworks {
  /** Rejects with the reason, and then nothing of it is left. */
  attach(wish: NetworkWish): Promise<TaskNetwork>;
  /** Harmless when there is none. Rejects when something of it is left; it is tried again by `sweep`. */
  detach(taskId: TaskId): Promise<void>;
  /** Null: it has none. */
  find(taskId: TaskId): TaskNetwork | null;
  /** Takes away the networks of all tasks that are not `known`, and answers how many; those of the others are made whole again. */
  sweep(known: Pick<ReadonlySet<TaskId>, 'has'>): Promise<number>;
  /** As the task sees it. A task is left out when its network tells nothing. */
  traffic(taskIds: readonly TaskId[]): ReadonlyMap<TaskId, InterfaceCounters>;
}

export interface TaskNetworkOptions {
  /** Ours alone; is made. */
  readonly dir: string;
  /** Names this Ekiden among others on the host: 12 hex digits. */
  readonly instance: string;
  readonly bootId: string;
  readonly pluginDirs: readonly string[];
  readonly machine: MachineNetwork;
  readonly runPlugin: RunPlugin;
  /** For the bridge; null: a private one that the machine does not know. */
  readonly subnet: Subnet | null;
  /** Resolvers for the bridge; none: those of the machine. */
  readonly nameservers: readonly string[];
  /** The configuration of a network that the operator has named; null: there is none. Throws when it is wrong. */
  readonly configured: (name: string) => NetworkList | null;
  readonly log: Log;
}

/** Two agents that begin at once may choose the same network: then both look again. */
const MAX_SUBNET_TRIES = 20;
/** A plugin that cannot even take away what it did not make (a wrong configuration) must not keep a port for ever. */
const MAX_TRIES = 5;
/** Changes of networks at once: each holds locks that the others wait for. */
const MAX_CHANGES = 4;
const PORT_PLUGIN = 'portmap';
const NO_DNS: DnsSettings = { nameservers: [], search: [], options: [] };

export function createTaskNetworks(options: TaskNetworkOptions): TaskNetworks {
  const { dir, instance, bootId, machine, log, pluginDirs } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const records = openNetworkRecords(join(dir, 'tasks'), (file, why) => log.error('network-record-set-aside', { file, why }));
  const bridge = `ek${instance}`.slice(0, 15);
  const leaseDir = join(dir, 'leases');
  const subnetFile = join(dir, 'subnet');
  /** How often it could not be taken away. */
  const tries = new Map<TaskId, number>();
  const turns = createTaskTurns(MAX_CHANGES);
  let isSwept = false;
  /** The bridge is made or taken away: whoever needs it waits. */
  let bridgeChange: Promise<unknown> = Promise.resolve();
  /** While it is there. */
  let bridgeNow: NetworkList | null = null;
  sweepLeases();

  async function attach(wish: NetworkWish): Promise<TaskNetwork> {
    const { taskId } = wish;
    refuseTaken(wish);
    const containerId = containerIdOf(instance, taskId);
    const known = records.get(taskId);
    if (known !== null) await takeAway(known);
    // Recorded before the bridge is looked at, so that nobody takes it away meanwhile.
    let record: NetworkRecord = { v: NETWORK_RECORD_VERSION, taskId, bootId, containerId, ports: wish.networks.flatMap(({ ports }) => ports), attachments: [] };
    records.save(record);
    try {
      const attachments: Attachment[] = [];
      for (const [index, { name, ports }] of wish.networks.entries())
        attachments.push({ list: await listOf(name, ports), interfaceName: `eth${index}`, ports, result: null });
      record = { ...record, attachments };
      records.save(record);
      await machine.addNamespace(containerId);
      for (const [index, attachment] of attachments.entries()) {
        for (const entry of attachment.list.plugins) {
          const result = await options.runPlugin(callOf('ADD', record, attachments[index] ?? attachment, entry));
          attachments[index] = { ...attachment, result: result ?? attachments[index]?.result ?? null };
          record = { ...record, attachments: [...attachments] };
          records.save(record);
        }
      }
    } catch (error) {
      await takeAway(record).catch((left: unknown) => log.warn('network-left', { taskId, why: reasonOf(left) }));
      throw new Error(`its network cannot be made: ${reasonOf(error)}`);
    }
    return networkOf(record);
  }

  /** A port that still leads to another task would lead its clients there. */
  function refuseTaken({ taskId, networks }: NetworkWish): void {
    const wanted = networks.flatMap(({ ports }) => ports);
    for (const other of records.all()) {
      if (other.taskId === taskId) continue;
      const taken = wanted.find((one) => other.ports.some((port) => port.hostPort === one.hostPort && port.protocol === one.protocol));
      if (taken !== undefined) throw new Error(`port ${taken.hostPort}/${taken.protocol} still leads to the task ${other.taskId}`);
    }
  }

  async function listOf(name: string, ports: readonly PortForward[]): Promise<NetworkList> {
    const list = options.configured(name) ?? (name === BRIDGE_NETWORK ? await bridgeList() : null);
    if (list === null) throw new Error(`this agent has no network "${name}": the operator configures it in --cni-config-dir`);
    if (ports.length > 0 && !takesPorts(list)) throw new Error(`the network "${name}" maps no ports: its configuration needs the plugin portmap`);
    return list;
  }

  const callOf = (
    command: PluginCall['command'],
    { containerId }: NetworkRecord,
    attachment: Attachment,
    entry: NetworkList['plugins'][number],
  ): PluginCall => ({
    command,
    containerId,
    namespace: machine.namespacePath(containerId),
    interfaceName: attachment.interfaceName,
    pluginDirs,
    type: entry.type,
    input: pluginInput(attachment.list, entry, attachment.ports, attachment.result),
  });

  async function takeAway(record: NetworkRecord): Promise<void> {
    const failures: string[] = [];
    for (const attachment of record.attachments.toReversed()) {
      for (const entry of attachment.list.plugins.toReversed()) {
        try {
          await options.runPlugin(callOf('DEL', record, attachment, entry));
        } catch (error) {
          failures.push(reasonOf(error));
        }
      }
    }
    // After another boot of the host there is nothing but leases; a plugin that misses something has nothing to take away.
    const failed = failures.length > 0 && record.bootId === bootId ? (tries.get(record.taskId) ?? 0) + 1 : 0;
    if (failed > 0 && failed < MAX_TRIES) {
      tries.set(record.taskId, failed);
      throw new Error(failures.join('; '));
    }
    if (failed > 0) log.error('network-given-up', { taskId: record.taskId, tries: failed, why: failures.join('; ') });
    tries.delete(record.taskId);
    await machine.removeNamespace(record.containerId);
    records.remove(record.taskId);
  }

  /** Somebody may have emptied the machine's rules: what is missing is set again, and no task learns of it. */
  async function mend(): Promise<void> {
    const whole = records.all().filter((record) => record.bootId === bootId && !turns.has(record.taskId) && isComplete(record));
    const kept = keptSubnet();
    if (kept !== null && whole.some(isOnBridge)) await inTurn(() => machine.makeBridge(bridge, kept));
    const mapped = whole.filter(({ ports }) => ports.length > 0);
    if (mapped.length === 0) return;
    const there = await machine.containersWithPorts();
    for (const { taskId } of mapped.filter(({ containerId }) => !there.has(containerId))) await turns.run(taskId, () => leadPorts(taskId));
  }

  async function leadPorts(taskId: TaskId): Promise<void> {
    const record = records.get(taskId);
    if (record === null || !isComplete(record)) return;
    for (const attachment of record.attachments.filter(({ ports }) => ports.length > 0)) {
      for (const entry of attachment.list.plugins.filter(({ type }) => type === PORT_PLUGIN)) {
        await options.runPlugin(callOf('DEL', record, attachment, entry)).catch(() => undefined); // what is left of it, if anything is
        await options.runPlugin(callOf('ADD', record, attachment, entry));
      }
    }
    log.warn('network-mended', { taskId, ports: record.ports.map(({ hostPort }) => hostPort) });
  }

  const isOnBridge = ({ attachments }: NetworkRecord): boolean => attachments.some(({ list }) => list.name === bridge);

  // --- the bridge

  /** The last caller's turn comes last; what went wrong for one is no matter to the next. */
  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = bridgeChange.then(change, change);
    bridgeChange = turn.catch(() => undefined);
    return turn;
  }

  function bridgeList(): Promise<NetworkList> {
    return inTurn(async () => {
      // Somebody may have taken it away: made again if so.
      if (bridgeNow === null || !(await machine.hasBridge(bridge))) {
        const subnet = await bridgeSubnet();
        bridgeNow = bridgeNetwork({ bridge, subnet, mtu: await machine.mtu(), leaseDir, nameservers: options.nameservers });
      }
      return bridgeNow;
    });
  }

  async function bridgeSubnet(): Promise<Subnet> {
    const kept = keptSubnet();
    // Of tasks that run: theirs it is, whatever else the machine knows by now.
    const isUsed = records.all().some((record) => record.bootId === bootId && isOnBridge(record));
    if (isUsed && kept !== null) {
      await machine.makeBridge(bridge, kept);
      return kept;
    }
    for (let round = 0; round < MAX_SUBNET_TRIES; round += 1) {
      const taken = await machine.subnets(bridge);
      const isFree = (subnet: Subnet | null): subnet is Subnet => subnet !== null && !taken.some((other) => overlaps(other, subnet));
      const subnet = options.subnet ?? (isFree(kept) ? kept : chooseSubnet(seedOf(`${instance} ${round}`), taken));
      if (subnet === null) throw new Error('this machine has no private network left for a bridge: choose one with --bridge-subnet');
      await machine.removeBridge(bridge);
      await machine.makeBridge(bridge, subnet);
      // Another agent may have chosen the same one meanwhile: whoever sees that gives way.
      if (options.subnet !== null || !(await machine.subnets(bridge)).some((other) => overlaps(other, subnet))) {
        writeFileSync(subnetFile, subnetText(subnet), { mode: 0o600 });
        return subnet;
      }
      await machine.removeBridge(bridge);
    }
    throw new Error('other programs of this machine take each private network that is tried for a bridge: choose one with --bridge-subnet');
  }

  function keptSubnet(): Subnet | null {
    return existsSync(subnetFile) ? parseSubnet(readFileSync(subnetFile, 'utf8').trim()) : null;
  }

  /** With the last task on it; nothing of ours stays on a machine without tasks. */
  function dropBridge(): Promise<void> {
    return inTurn(async () => {
      if (records.all().length > 0) return;
      bridgeNow = null;
      await machine.removeBridge(bridge);
    });
  }

  /** Of records that were lost. */
  function sweepLeases(): void {
    const network = join(leaseDir, bridge);
    if (!existsSync(network)) return;
    const owners = new Set(records.all().map(({ containerId }) => containerId));
    for (const name of readdirSync(network).filter((each) => parseSubnet(each) !== null)) {
      const [owner = ''] = readFileSync(join(network, name), 'utf8').split(/\s/, 1);
      if (!owners.has(owner)) rmSync(join(network, name), { force: true });
    }
  }

  /** Likewise. */
  async function sweepNamespaces(): Promise<void> {
    const owners = new Set(records.all().map(({ containerId }) => containerId));
    const lost = (await machine.namespaces()).filter((name) => name.startsWith(containerPrefix(instance)) && !owners.has(name));
    for (const name of lost) await machine.removeNamespace(name);
  }

  async function detach(taskId: TaskId): Promise<void> {
    const record = records.get(taskId);
    if (record === null) return;
    await takeAway(record);
    if (records.all().length === 0) await dropBridge();
  }

  const networkOf = ({ containerId, attachments }: NetworkRecord): TaskNetwork => {
    const results = attachments.map(({ result }) => readResult(result));
    return {
      namespace: machine.namespacePath(containerId),
      addresses: results.flatMap(({ addresses }) => addresses),
      dns: results.find(({ dns }) => dns.nameservers.length > 0)?.dns ?? NO_DNS,
    };
  };

  return {
    attach: (wish) => turns.run(wish.taskId, () => attach(wish)),
    detach: (taskId) => turns.run(taskId, () => detach(taskId)),
    find: (taskId) => {
      const record = records.get(taskId);
      return record === null ? null : networkOf(record);
    },
    async sweep(known) {
      if (!isSwept) await sweepNamespaces();
      isSwept = true;
      const left = records.all().filter(({ taskId }) => !known.has(taskId) && !turns.has(taskId));
      const taken = left.map(({ taskId }) =>
        turns.run(taskId, () => detach(taskId)).catch((error: unknown) => log.warn('network-left', { taskId, why: reasonOf(error) })),
      );
      await Promise.all(taken);
      await mend();
      return left.length;
    },
    traffic(taskIds) {
      if (records.all().length === 0) return new Map();
      const counters = machine.counters();
      return new Map(
        taskIds.flatMap((taskId) => {
          const cables = (records.get(taskId)?.attachments ?? []).flatMap(({ result }) => readResult(result).hostInterfaces);
          const counted = cables.flatMap((name) => counters.get(name) ?? []);
          return counted.length === 0 ? [] : [[taskId, counted.map(turned).reduce(plusCounters)] as const];
        }),
      );
    },
  };
}

/** Each plugin has answered. */
const isComplete = ({ attachments }: NetworkRecord): boolean => attachments.every(({ result }) => result !== null);

/** What one end of a cable sends, the other receives. */
const turned = ({ receivedBytes, receivedPackets, sentBytes, sentPackets }: InterfaceCounters): InterfaceCounters => ({
  receivedBytes: sentBytes,
  receivedPackets: sentPackets,
  sentBytes: receivedBytes,
  sentPackets: receivedPackets,
});
