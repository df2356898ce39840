/**
 * Networks of tasks' own that a container engine makes: its bridge with mapped ports, and those that its operator has made there by name.
 *
 *   record ─► a container that holds it is made ─► joins further networks ─► starts: ports are led ─► its addresses recorded
 *   ─► the task joins it ─► its last container is gone ─► the holder is removed ─► record
 *
 * A crash at any arrow leaves a record and a label, and whatever they name is removed twice without harm. What cannot be removed while the
 * engine is away is removed by a later sweep; until then the engine itself keeps others from its ports.
 */
import { join } from 'node:path';
import { BRIDGE_NETWORK, type Log, type TaskId } from '@ekiden/model';
import { countersIn, type InterfaceCounters, plusCounters } from '../networks/machine-network.js';
import type { NetworkWish, TaskNetwork, TaskNetworks } from '../networks/task-networks.js';
import { openTaskRecords } from '../networks/task-records.js';
import { createTaskTurns } from '../networks/task-turns.js';
import { readProcFile } from '../proc.js';
import { reasonOf } from '../reason-of.js';
import { createBackOff } from './back-off.js';
import { createContainer, listContainers, removeContainer, startContainer } from './container-calls.js';
import { EngineAway, type EngineClient, EngineRefusal, engineClient, fieldIn, numberIn } from './engine-client.js';
import { ENGINE_BRIDGE, HOLDER_LABEL, holderName, holderRequest, readHolder } from './holder.js';
import { HOLDER_RECORD_VERSION, type HolderRecord, parseHolderRecord } from './holder-record.js';
import { importHoldImage } from './hold-image.js';

export interface EngineNetworkOptions {
  /** Ours alone; is made. */
  readonly dir: string;
  /** Names this agent among others of the engine. */
  readonly instance: string;
  /** Where new ones are made; null: nowhere. Those of an earlier agent are looked for where that one had them. */
  readonly engine: () => { readonly socket: string; readonly architecture: string } | null;
  /** Resolvers for the bridge; none: as the engine has it. */
  readonly nameservers: readonly string[];
  readonly log: Log;
}

export interface EngineNetworks extends TaskNetworks {
  /** Made here, or by an earlier agent, and not taken away yet. */
  has(taskId: TaskId): boolean;
}

/** As with containers: more at once only wait in the engine. */
const MAX_CHANGES = 4;
/** How long an engine that is away holds up a network. */
const ATTACH_WAIT_MS = 60_000;
/** Questions about traffic under way at once. */
const MAX_CALLS = 8;
const NOT_FOUND = 404;

export function createEngineNetworks(options: EngineNetworkOptions): EngineNetworks {
  const { instance, log } = options;
  const records = openTaskRecords(join(options.dir, 'tasks'), parseHolderRecord, (file, why) => log.error('network-record-set-aside', { file, why }));
  const clients = new Map<string, EngineClient>();
  const turns = createTaskTurns(MAX_CHANGES);
  const told = new Map<TaskId, InterfaceCounters>();
  const asking = new Set<TaskId>();
  /** Of which it was told that their network is gone. */
  const lost = new Set<TaskId>();

  function clientOf(socket: string): EngineClient {
    const client = clients.get(socket) ?? engineClient(socket);
    clients.set(socket, client);
    return client;
  }

  async function attach(wish: NetworkWish): Promise<TaskNetwork> {
    const engine = options.engine();
    if (engine === null) throw new Error('its network cannot be made: this agent has no container engine');
    const client = clientOf(engine.socket);
    const known = records.get(wish.taskId);
    if (known !== null) await takeAway(known);
    const record: HolderRecord = {
      v: HOLDER_RECORD_VERSION,
      taskId: wish.taskId,
      socket: engine.socket,
      container: holderName(instance, wish.taskId),
      holder: null,
    };
    records.save(record);
    const backOff = createBackOff();
    const begun = performance.now();
    for (;;) {
      try {
        return await make(wish, record, client, engine.architecture);
      } catch (error) {
        // Asked again it goes on where it was: what it was told is in the name.
        if (error instanceof EngineAway && performance.now() - begun < ATTACH_WAIT_MS) {
          await backOff.wait();
          continue;
        }
        await takeAway(record).catch((left: unknown) => log.warn('network-left', { taskId: wish.taskId, why: reasonOf(left) }));
        throw new Error(`its network cannot be made: ${reasonOf(error)}`, { cause: error });
      }
    }
  }

  async function make(wish: NetworkWish, record: HolderRecord, client: EngineClient, architecture: string): Promise<TaskNetwork> {
    const { container } = record;
    const names: string[] = [];
    for (const { name } of wish.networks) names.push(await nameIn(client, name));
    const [network = ENGINE_BRIDGE, ...further] = names;
    const body = holderRequest({ wish, instance, network, nameservers: options.nameservers });
    try {
      await createContainer(client, container, body);
    } catch (error) {
      if (!(error instanceof EngineRefusal) || error.status !== NOT_FOUND || !/image/i.test(error.message)) throw error;
      await importHoldImage(client, architecture);
      await createContainer(client, container, body);
    }
    for (const name of further) await connect(client, name, container);
    await startContainer(client, container);
    const holder = readHolder(await client.call('GET', `/containers/${container}/json`), names);
    if (holder.pid === 0 && holder.addresses.length === 0) throw new Error('the container that holds it has ended at once');
    const made = { ...record, holder };
    records.save(made);
    return networkOf(made);
  }

  /** The bridge is the engine's own, unless its operator has made one of that name. */
  async function nameIn(client: EngineClient, name: string): Promise<string> {
    try {
      await client.call('GET', `/networks/${encodeURIComponent(name)}`);
      return name;
    } catch (error) {
      if (!(error instanceof EngineRefusal) || error.status !== NOT_FOUND) throw error;
      if (name === BRIDGE_NETWORK) return ENGINE_BRIDGE;
      throw new Error(`the container engine has no network "${name}": its operator makes it there`, { cause: error });
    }
  }

  /** Harmless when it has joined already. */
  async function connect(client: EngineClient, network: string, container: string): Promise<void> {
    const joined = fieldIn(fieldIn(await client.call('GET', `/containers/${container}/json`), 'NetworkSettings'), 'Networks');
    if (fieldIn(joined, network) !== undefined) return;
    // podman answers with a word.
    await client.send('POST', `/networks/${encodeURIComponent(network)}/connect`, 'application/json', Buffer.from(JSON.stringify({ Container: container })));
  }

  async function takeAway(record: HolderRecord): Promise<void> {
    await removeContainer(clientOf(record.socket), record.container);
    records.remove(record.taskId);
    told.delete(record.taskId);
    lost.delete(record.taskId);
  }

  const detach = (id: TaskId): Promise<void> =>
    turns.run(id, async () => {
      const record = records.get(id);
      if (record !== null) await takeAway(record);
    });

  /** Of records that were lost. */
  async function sweepLabelled(): Promise<number> {
    const engine = options.engine();
    if (engine === null) return 0;
    let removed = 0;
    try {
      const client = clientOf(engine.socket);
      const owned = new Set<string>([...records.all().map(({ taskId: id }) => id), ...turns.ids()]);
      const holders = await listContainers(client, instance, HOLDER_LABEL);
      tellLost(new Set(holders.filter(({ isRunning }) => isRunning).map(({ taskId: id }) => id)), engine.socket);
      for (const { id, taskId: owner } of holders) {
        if (owned.has(owner)) continue;
        await removeContainer(client, id);
        removed += 1;
      }
    } catch (error) {
      log.debug('engine-networks-not-swept', { why: reasonOf(error) });
    }
    return removed;
  }

  /** Somebody has removed or ended what holds it: its task is cut off, which its health checks find out. Told once. */
  function tellLost(held: ReadonlySet<string>, socket: string): void {
    for (const { taskId: id, holder, socket: of } of records.all()) {
      if (holder === null || of !== socket || held.has(id) || turns.has(id) || lost.has(id)) continue;
      lost.add(id);
      log.warn('network-lost', { taskId: id, why: 'the container that holds it was ended or removed by somebody else' });
    }
  }

  async function ask({ taskId: id, socket, container }: HolderRecord): Promise<void> {
    if (asking.has(id) || asking.size >= MAX_CALLS) return;
    asking.add(id);
    try {
      const counted = readTraffic(await clientOf(socket).call('GET', `/containers/${container}/stats?stream=false&one-shot=true`));
      if (counted !== null && records.get(id) !== null) told.set(id, counted);
    } catch (error) {
      log.debug('traffic-not-read', { taskId: id, why: reasonOf(error) });
    } finally {
      asking.delete(id);
    }
  }

  return {
    has: (id) => records.get(id) !== null,
    attach: (wish) => turns.run(wish.taskId, () => attach(wish)),
    detach,
    find: (id) => {
      const record = records.get(id);
      return record === null || record.holder === null ? null : networkOf(record);
    },
    async sweep(known) {
      const left = records.all().filter(({ taskId: id }) => !known.has(id) && !turns.has(id));
      const taken = left.map(({ taskId: id }) => detach(id).catch((error: unknown) => log.warn('network-left', { taskId: id, why: reasonOf(error) })));
      await Promise.all(taken);
      return left.length + (await sweepLabelled());
    },
    traffic(ids) {
      const found = new Map<TaskId, InterfaceCounters>();
      for (const id of ids) {
        const record = records.get(id);
        if (record === null || record.holder === null) continue;
        const here = isHere(record.holder) ? trafficOf(record.holder.pid) : null;
        if (here === null) void ask(record);
        const counted = here ?? told.get(id);
        if (counted !== undefined) found.set(id, counted);
      }
      return found;
    },
  };
}

const networkOf = ({ container, holder }: HolderRecord): TaskNetwork => ({
  namespace: holder !== null && isHere(holder) ? `/proc/${holder.pid}/ns/net` : '',
  addresses: holder?.addresses ?? [],
  dns: { nameservers: [], search: [], options: [] },
  holder: container,
});

/** The engine runs on this machine, and the pid is still that container's: engines name its groups by its id. */
const isHere = ({ id, pid }: NonNullable<HolderRecord['holder']>): boolean => pid > 0 && id !== '' && (readProcFile(`/proc/${pid}/cgroup`) ?? '').includes(id);

/** As its containers see it, without their loopback. Null: it cannot be seen. */
function trafficOf(pid: number): InterfaceCounters | null {
  const table = readProcFile(`/proc/${pid}/net/dev`);
  return table === null ? null : sumOf([...countersIn(table)].flatMap(([name, counters]) => (name === 'lo' ? [] : [counters])));
}

const sumOf = (all: readonly InterfaceCounters[]): InterfaceCounters | null => (all.length === 0 ? null : all.reduce(plusCounters));

/** Pure. From `GET /containers/NAME/stats`; null when it says nothing of networks. */
export function readTraffic(answer: unknown): InterfaceCounters | null {
  const networks = fieldIn(answer, 'networks');
  if (typeof networks !== 'object' || networks === null) return null;
  return sumOf(
    Object.values(networks).map((each: unknown) => ({
      receivedBytes: numberIn(each, 'rx_bytes'),
      receivedPackets: numberIn(each, 'rx_packets'),
      sentBytes: numberIn(each, 'tx_bytes'),
      sentPackets: numberIn(each, 'tx_packets'),
    })),
  );
}
