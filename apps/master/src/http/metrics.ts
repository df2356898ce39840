/** Figures of the master: Mesos' flat names (reference: 5.11), and Prometheus' form. Counted when asked for. */
import { resourcesToModel } from '@ekiden/mesos';
import { addResources, NO_RESOURCES, type Resources } from '@ekiden/model';
import { newMetrics } from '@ekiden/service';
import type { Master } from '../master-ports.js';

const TASK_STATES = ['staging', 'starting', 'running', 'killing', 'finished', 'failed', 'killed', 'lost', 'error', 'dropped', 'gone', 'unreachable'];
const NAMES = [
  ['cpus', (sum: Resources) => sum.cpusMilli / 1000],
  ['mem', (sum: Resources) => sum.memMib],
  ['disk', (sum: Resources) => sum.diskMib],
  ['gpus', (sum: Resources) => sum.gpus],
] as const;

export function snapshotOf(master: Master, uptimeSecs: number): Readonly<Record<string, number>> {
  const { agents, frameworks, tasks, total, used } = figuresOf(master);
  const figures: Record<string, number> = {
    'master/uptime_secs': uptimeSecs,
    'master/elected': master.isLeading ? 1 : 0,
    'master/slaves_connected': agents['registered'] ?? 0,
    'master/slaves_active': agents['registered'] ?? 0,
    'master/slaves_disconnected': agents['disconnected'] ?? 0,
    'master/slaves_inactive': agents['disconnected'] ?? 0,
    'master/slaves_unreachable': agents['unreachable'] ?? 0,
    'master/frameworks_connected': frameworks['connected'] ?? 0,
    'master/frameworks_active': frameworks['connected'] ?? 0,
    'master/frameworks_disconnected': frameworks['disconnected'] ?? 0,
    'master/frameworks_inactive': frameworks['disconnected'] ?? 0,
    'master/outstanding_offers': master.state.frameworks().reduce((sum, { offers }) => sum + offers, 0),
  };
  for (const state of TASK_STATES) figures[`master/tasks_${state}`] = tasks[state] ?? 0;
  for (const [name, amount] of NAMES) {
    figures[`master/${name}_total`] = amount(total);
    figures[`master/${name}_used`] = amount(used);
    figures[`master/${name}_percent`] = amount(total) > 0 ? amount(used) / amount(total) : 0;
  }
  for (const [name, value] of Object.entries(master.state.counters())) figures[`master/ekiden/${name}`] = value;
  return figures;
}

export class MasterMetrics {
  readonly #metrics = newMetrics('ekiden_master');
  readonly #leads = this.#metrics.gauge('leads', '1 while this master leads');
  readonly #agents = this.#metrics.gauge('agents', 'Agents by state', ['state']);
  readonly #frameworks = this.#metrics.gauge('frameworks', 'Frameworks by state', ['state']);
  readonly #tasks = this.#metrics.gauge('tasks', 'Tasks by newest state, until their end is acknowledged', ['state']);
  readonly #resources = this.#metrics.gauge('resources', 'Cpus, MiB of memory and disk, gpus', ['name', 'kind']);
  readonly #events = this.#metrics.gauge('events', 'Counted since this master began to lead', ['name']);

  get contentType(): string {
    return this.#metrics.registry.contentType;
  }

  text(master: Master): Promise<string> {
    const { agents, frameworks, tasks, total, used } = figuresOf(master);
    this.#leads.set(master.isLeading ? 1 : 0);
    for (const [gauge, counts] of [
      [this.#agents, agents],
      [this.#frameworks, frameworks],
      [this.#tasks, tasks],
    ] as const) {
      gauge.reset();
      for (const [state, value] of Object.entries(counts)) gauge.set({ state }, value);
    }
    for (const [name, amount] of NAMES) {
      this.#resources.set({ name, kind: 'total' }, amount(total));
      this.#resources.set({ name, kind: 'used' }, amount(used));
    }
    for (const [name, value] of Object.entries(master.state.counters())) this.#events.set({ name }, value);
    return this.#metrics.registry.metrics();
  }
}

function figuresOf(master: Master) {
  const present = master.state.agents().filter(({ state }) => state === 'registered' || state === 'disconnected');
  return {
    agents: tally(master.state.agents().map(({ state }) => state)),
    frameworks: tally(master.state.frameworks().map(({ connected }) => (connected ? 'connected' : 'disconnected'))),
    tasks: tally(master.state.tasks().map(({ state }) => state.replace('TASK_', '').toLowerCase())),
    total: present.reduce((sum, { total }) => addResources(sum, { ...resourcesToModel(total), ports: [] }), NO_RESOURCES),
    used: present.reduce((sum, { allocated }) => addResources(sum, { ...resourcesToModel(allocated), ports: [] }), NO_RESOURCES),
  };
}

function tally(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
