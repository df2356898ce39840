/**
 * The machine's side of networks: namespaces with a name, the agent's own bridge, and what the machine already routes. Acts only.
 *
 * Every act is safe to repeat: what is there stays, what is gone is gone.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { reasonOf } from '../reason-of.js';
import { bridgeRules, containersWithPorts, rulesOfBridge } from './bridge-network.js';
import { gatewayOf, knownSubnets, type Subnet } from './subnets.js';

export interface MachineTools {
  readonly ip: string;
  readonly iptables: string;
}

export interface MachineNetwork {
  addNamespace(name: string): Promise<void>;
  removeNamespace(name: string): Promise<void>;
  /** Empty: there is none. */
  namespacePath(name: string): string;
  namespaces(): Promise<readonly string[]>;
  /** Networks that this machine knows, but for the one of the interface `except`. */
  subnets(except: string): Promise<readonly Subnet[]>;
  /** Of the way out; null: not known. */
  mtu(): Promise<number | null>;
  hasBridge(bridge: string): Promise<boolean>;
  /** With its rules. */
  makeBridge(bridge: string, subnet: Subnet): Promise<void>;
  removeBridge(bridge: string): Promise<void>;
  /** Ids of the containers to which ports of this machine lead now. */
  containersWithPorts(): Promise<ReadonlySet<string>>;
  /** Bytes and packets by interface, as the machine counts them. */
  counters(): ReadonlyMap<string, InterfaceCounters>;
}

export interface InterfaceCounters {
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
}

export const plusCounters = (a: InterfaceCounters, b: InterfaceCounters): InterfaceCounters => ({
  receivedBytes: a.receivedBytes + b.receivedBytes,
  receivedPackets: a.receivedPackets + b.receivedPackets,
  sentBytes: a.sentBytes + b.sentBytes,
  sentPackets: a.sentPackets + b.sentPackets,
});

const TOOL_TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const NAMESPACES = '/run/netns';

export function machineNetwork({ ip, iptables }: MachineTools): MachineNetwork {
  const run = async (program: string, ...args: readonly string[]): Promise<string> => {
    try {
      return (await promisify(execFile)(program, args, { timeout: TOOL_TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES })).stdout;
    } catch (error) {
      const said = typeof error === 'object' && error !== null && 'stderr' in error ? String(error.stderr).trim() : '';
      throw new Error(said === '' ? reasonOf(error) : `${program.split('/').at(-1)}: ${said}`);
    }
  };
  const json = async (...args: readonly string[]): Promise<unknown> => {
    const text = await run(ip, '-json', ...args);
    return text.trim() === '' ? [] : JSON.parse(text);
  };
  const isThere = (bridge: string): Promise<boolean> =>
    run(ip, 'link', 'show', 'dev', bridge).then(
      () => true,
      () => false,
    );
  const pathOf = (name: string): string => `${NAMESPACES}/${name}`;

  return {
    async addNamespace(name) {
      // Of a launch that was begun before: whatever is in there is not ours to keep.
      if (existsSync(pathOf(name))) await run(ip, 'netns', 'del', name);
      await run(ip, 'netns', 'add', name);
      await run(ip, '-n', name, 'link', 'set', 'lo', 'up');
    },
    async removeNamespace(name) {
      if (existsSync(pathOf(name))) await run(ip, 'netns', 'del', name);
    },
    namespacePath: (name) => (existsSync(pathOf(name)) ? pathOf(name) : ''),
    namespaces: async () => namesIn(await json('netns', 'list')),
    subnets: async (except) => knownSubnets(await json('-4', 'route', 'show', 'table', 'all'), await json('-4', 'address'), except),
    async mtu() {
      const device = defaultDevice(await json('-4', 'route', 'show', 'default'));
      return device === null ? null : mtuOf(await json('link', 'show', 'dev', device));
    },
    hasBridge: isThere,
    async makeBridge(bridge, subnet) {
      if (!(await isThere(bridge))) await run(ip, 'link', 'add', 'name', bridge, 'type', 'bridge');
      await run(ip, 'address', 'replace', gatewayOf(subnet), 'dev', bridge);
      await run(ip, 'link', 'set', bridge, 'up');
      for (const { table, words } of bridgeRules(bridge, subnet)) {
        const isSet = await run(iptables, '-w', '-t', table, '-C', ...words).then(
          () => true,
          () => false,
        );
        if (!isSet) await run(iptables, '-w', '-t', table, '-I', ...words);
      }
    },
    async removeBridge(bridge) {
      for (const table of ['filter', 'nat']) {
        const rules = rulesOfBridge(await run(iptables, '-w', '-t', table, '-S'), bridge);
        for (const words of rules) await run(iptables, '-w', '-t', table, '-D', ...words).catch(() => undefined); // somebody was faster
      }
      if (await isThere(bridge)) await run(ip, 'link', 'del', 'dev', bridge);
    },
    containersWithPorts: async () => containersWithPorts(await run(iptables, '-w', '-t', 'nat', '-S')),
    counters: () => countersIn(readFileSync('/proc/net/dev', 'utf8')),
  };
}

const namesIn = (list: unknown): readonly string[] => objects(list).flatMap(({ name }) => (typeof name === 'string' ? [name] : []));

const defaultDevice = (routes: unknown): string | null => {
  const { dev } = objects(routes)[0] ?? {};
  return typeof dev === 'string' ? dev : null;
};

const mtuOf = (links: unknown): number | null => {
  const { mtu } = objects(links)[0] ?? {};
  return typeof mtu === 'number' ? mtu : null;
};

/** The table of /proc/net/dev. Pure. */
export function countersIn(table: string): ReadonlyMap<string, InterfaceCounters> {
  const lines = table.split('\n').flatMap((line) => {
    const [name = '', rest] = line.split(':');
    const counts = rest?.trim().split(/\s+/).map(Number) ?? [];
    const [receivedBytes, receivedPackets, , , , , , , sentBytes, sentPackets] = counts;
    if (receivedBytes === undefined || receivedPackets === undefined || sentBytes === undefined || sentPackets === undefined) return [];
    return [[name.trim(), { receivedBytes, receivedPackets, sentBytes, sentPackets }] as const];
  });
  return new Map(lines);
}

const objects = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.filter((each): each is Readonly<Record<string, unknown>> => typeof each === 'object' && each !== null) : [];
