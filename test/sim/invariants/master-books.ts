/** The master's rules of resources: its books agree with one another, with what was offered and launched, and with its agents. */
import { EKIDEN_RESIZE, type TaskStatus } from '@ekiden/mesos';
import { isTerminal, type TaskSize } from '@ekiden/model';
import type { AgentBooks, Master } from '../../../apps/master/src/master-ports.js';
import type { Handlers, Invariant, Report } from './invariant.js';
import { readBooks, type ReadBooks } from './books.js';
import { amountsOf, amountsOnWire, difference, excess, larger, minus, resizeIn, sumOf, type Amounts } from './quantities.js';
import type { Sight } from './sight.js';

/** Calls `look` for each agent of the present master that a turn has touched, when it is over. */
function onTouchedAgents(sight: Sight, look: (agentId: string, master: Master) => void): Handlers {
  return {
    'turn-ended': () => {
      if (sight.touched.ofTurn.size === 0) return;
      const present = sight.master();
      for (const [agentId, by] of sight.touched.ofTurn) if (by === present) look(agentId, by);
    },
  };
}

/** Judges each touched agent after each turn, and all of them at a scan. */
const onBooks = (sight: Sight, judge: (agentId: string, read: ReadBooks) => void) => {
  const look = (agentId: string): void => {
    const read = sight.books.of(agentId);
    if (read !== null) judge(agentId, read);
  };
  return {
    on: onTouchedAgents(sight, look),
    scan: (): void => {
      for (const agentId of sight.books.agentIds()) look(agentId);
    },
  };
};

export const booksAddUp: Invariant = {
  id: 'master-a',
  name: 'the books add up',
  sentence: 'what is allocated of an agent is what its tasks hold, what is offered is what its offers hold',
  begin: (sight, report) =>
    onBooks(sight, (agentId, { books, misallocated, out }) => {
      if (misallocated !== null) report(`${agentId}: allocated is ${misallocated}, by its ${books.tasks.length} tasks`);
      const offered = difference(amountsOf(books.offered), out);
      if (offered !== null) report(`${agentId}: offered is ${offered}, by its ${books.offers.length} offers`);
    }),
};

export const freeIsWhatIsLeft: Invariant = {
  id: 'master-b',
  name: 'free = max(0, total − allocated − offered)',
  sentence: 'the allocator gives out exactly what is left of an agent, and nothing while more is held than it has',
  begin: (sight, report) =>
    onBooks(sight, (agentId, { books, left, deficit }) => {
      const problem = difference(amountsOf(books.free), left);
      if (problem !== null) report(`${agentId}: free is ${problem}${deficit === null ? '' : ', since it has a deficit'}`);
    }),
};

export const nothingIsHeldTwice: Invariant = {
  id: 'master-c',
  name: 'nothing is offered twice',
  sentence: 'what is offered of an agent, with what its tasks hold, is within what it has: no resource is in two offers, nor in an offer and a task',
  begin: (sight, report) =>
    onBooks(sight, (agentId, { books, deficit }) => {
      if (books.offers.length > 0 && deficit !== null) report(`${agentId}: ${books.offers.length} offers and ${books.tasks.length} tasks hold ${deficit}`);
    }),
};

/** Whether it is carried out or not, a change of size spends its offers. */
const ANSWERS_OF_RESIZE: readonly number[] = [202, 409, 422, 503];

function heldFor(master: Master, agentId: string, taskId: string): Amounts | null {
  const task = master.state.books(agentId)?.tasks.find((one) => one.taskId === taskId);
  return task === undefined ? null : amountsOf(task.resources);
}

interface OpenOffer {
  readonly agentId: string;
  readonly amounts: Amounts;
}

export const offersAreSpentOnce: Invariant = {
  id: 'master-d',
  name: 'an offer is spent once',
  sentence:
    'what an ACCEPT launches, and the growth of a task, is paid by offers that were sent, are still out, and hold at least as much; neither leaves a deficit',
  begin: (sight, report) => {
    /** By master: for a while there may be two, and the stale one knows nothing of the other's offers. */
    const byMaster = new WeakMap<Master, Map<string, OpenOffer>>();
    /** What is held for the task whose size is being changed. */
    let growing: Amounts | null = null;
    /** The ACCEPT or change of a size that is being handled: what it may spend. */
    let purse: { readonly ids: readonly string[]; readonly amounts: Amounts; readonly missing: readonly string[] } | null = null;
    const outOf = (master: Master): Map<string, OpenOffer> => {
      const out = byMaster.get(master) ?? new Map<string, OpenOffer>();
      byMaster.set(master, out);
      return out;
    };
    return {
      on: {
        'stream-sent': ({ master: by, event }) => {
          const out = outOf(by);
          if (event.type === 'SUBSCRIBED') out.clear(); // Those of the stream before are withdrawn.
          if (event.type === 'RESCIND') out.delete(event.rescind.offer_id.value);
          if (event.type !== 'OFFERS') return;
          for (const offer of event.offers.offers ?? []) {
            if (out.has(offer.id.value)) report(`offer ${offer.id.value} was sent twice`);
            out.set(offer.id.value, { agentId: offer.agent_id.value, amounts: amountsOnWire(offer.resources ?? []) });
          }
        },
        'call-got': ({ master: by, call }) => {
          const out = outOf(by);
          if (call.type !== 'ACCEPT' && call.type !== EKIDEN_RESIZE) return;
          const ids = ((call.type === 'ACCEPT' ? call.accept.offer_ids : call.resize.offer_ids) ?? []).map(({ value }) => value);
          growing = call.type === 'ACCEPT' ? null : heldFor(by, call.resize.agent_id.value, call.resize.task_id.value);
          purse = { ids, amounts: sumOf(ids.flatMap((id) => out.get(id)?.amounts ?? [])), missing: ids.filter((id) => !out.has(id)) };
        },
        'master-sent': ({ host, master: by, message }) => {
          if (message.type === 'resize' && growing !== null && purse !== null) {
            const { taskId, size } = message;
            const grown = excess(minus(larger(growing, size), growing), purse.amounts);
            if (grown !== null)
              report(`${taskId} on ${host} grows to ${size.cpusMilli} milli-cpus and ${size.memMib} MiB, and uses ${grown} of what pays for it`);
            if (grown === null && purse.missing.length > 0) report(`${taskId} on ${host} grows from ${purse.missing.join(', ')}, which is not out`);
          }
          if (message.type !== 'launch' || by !== sight.master()) return;
          const names = message.tasks.map((task) => task.task_id.value).join(', ');
          if (purse === null) return report(`${names} were launched on ${host}, and no ACCEPT was being handled`);
          if (purse.missing.length > 0)
            report(`${names} were launched on ${host} from ${purse.missing.join(', ')}, which is not out: spent, rescinded or never sent`);
          const problem = excess(sumOf(message.tasks.map((task) => amountsOnWire(task.resources ?? []))), purse.amounts);
          if (problem !== null) report(`${names} were launched on ${host} from ${purse.ids.join(', ')} and use ${problem}`);
          for (const { agent_id: agent } of message.tasks.slice(0, 1)) {
            const books = by.state.books(agent.value);
            const deficit = books === null ? 'an agent that is not there' : readBooks(books).deficit;
            if (deficit !== null) report(`${names} were launched on ${host} (${agent.value}), which then holds ${deficit}`);
          }
        },
        'call-done': ({ master: by, call, answer }) => {
          const ids =
            call.type === 'ACCEPT'
              ? call.accept.offer_ids
              : call.type === 'DECLINE'
                ? call.decline.offer_ids
                : call.type === EKIDEN_RESIZE
                  ? call.resize.offer_ids
                  : [];
          const isSpent = (answer.status >= 200 && answer.status < 300) || (call.type === EKIDEN_RESIZE && ANSWERS_OF_RESIZE.includes(answer.status));
          if (isSpent) for (const { value } of ids ?? []) outOf(by).delete(value);
          purse = null;
          growing = null;
        },
      },
      scan: () => {
        const present = sight.master();
        if (present === null) return;
        const out = outOf(present);
        const held = new Set<string>();
        for (const agentId of sight.books.agentIds()) for (const { offerId } of sight.books.of(agentId)?.books.offers ?? []) held.add(offerId);
        for (const id of held) if (!out.has(id)) report(`offer ${id} is out in the master’s books, and was spent, rescinded or never sent`);
        for (const id of out.keys()) if (!held.has(id)) out.delete(id); // Withdrawn with its stream.
      },
    };
  },
};

interface Reported {
  readonly master: Master;
  readonly wire: number;
  readonly agentId: string;
  /** What runs there, as the agent said or was told. */
  readonly tasks: Map<string, Amounts>;
  /** By task: the newest change of its size whose outcome was told, and one whose outcome was not. */
  readonly sizes: Map<string, { readonly revision: number; readonly pending: { readonly revision: number; readonly size: TaskSize } | null }>;
  /** The master's list that was compared with `tasks` since either changed. */
  compared: AgentBooks['tasks'] | null;
}

export const agentsAndMasterAgree: Invariant = {
  id: 'master-e',
  name: 'what agents run is what the master holds',
  sentence: 'the tasks that hold resources of a registered agent are those that it reported or was told to launch, and that it has not said to be over',
  begin: (sight, report) => {
    const registers = new Map<number, Pick<Reported, 'tasks' | 'sizes'>>();
    const agents = new Map<string, Reported>();
    /** By connection: a machine with a new disk has a second agent, while the master may not know yet that the first is gone. */
    const byWire = new Map<number, Reported>();
    const judge = (agentId: string, master: Master): void => {
      const mine = agents.get(agentId);
      const books = sight.books.of(agentId)?.books;
      if (mine === undefined || mine.master !== master || books?.isConnected !== true) return; // It says so anew when it is back.
      if (mine.compared === books.tasks) return;
      mine.compared = books.tasks;
      compare(agentId, mine.tasks, books, report);
    };
    return {
      on: {
        ...mergeHandlers(
          {
            'agent-sent': ({ wire, message }) => {
              if (message.type !== 'register') return;
              const alive = message.tasks.filter(({ state }) => !isTerminal(state));
              const sizes: Reported['sizes'] = new Map();
              for (const { task, latest } of alive) sizes.set(task.task_id.value, { revision: resizeIn(latest)?.revision ?? 0, pending: null });
              registers.set(wire, { tasks: new Map(alive.map(({ task }) => [task.task_id.value, amountsOnWire(task.resources ?? [])])), sizes });
            },
            'master-sent': ({ wire, master, message }) => {
              if (message.type === 'registered') {
                // The same registration, come twice: what was said since is newer than its list.
                if (byWire.get(wire)?.master === master) return;
                const said = registers.get(wire);
                const mine: Reported = { master, wire, agentId: message.agentId, tasks: new Map(said?.tasks), sizes: new Map(said?.sizes), compared: null };
                byWire.delete(agents.get(message.agentId)?.wire ?? wire);
                agents.set(message.agentId, mine);
                byWire.set(wire, mine);
                return;
              }
              const mine = byWire.get(wire);
              if (mine === undefined || message.type === 'ping') return;
              mine.compared = null;
              const held = master.state.books(mine.agentId)?.tasks ?? [];
              const asked = message.type === 'reconcile-tasks' ? message.taskIds : [];
              // The agent may yet have them: they count until it says that it has not. What was given up with the agent holds nothing.
              for (const { taskId, resources } of held) if (asked.some((id) => id === taskId)) mine.tasks.set(taskId, amountsOf(resources));
              if (message.type === 'resize') {
                const amounts = mine.tasks.get(message.taskId);
                if (amounts !== undefined) mine.tasks.set(message.taskId, larger(amounts, message.size));
                const { revision, size } = message;
                mine.sizes.set(message.taskId, { revision: mine.sizes.get(message.taskId)?.revision ?? 0, pending: { revision, size } });
              }
              if (message.type === 'launch') for (const task of message.tasks) mine.tasks.set(task.task_id.value, amountsOnWire(task.resources ?? []));
            },
            'master-got': ({ wire, message }) => {
              const mine = byWire.get(wire);
              if (mine === undefined || message.type !== 'status') return;
              learnSize(mine, message.status);
              if (!isTerminal(message.latestState)) return;
              mine.tasks.delete(message.status.task_id.value);
              mine.compared = null;
            },
          },
          onTouchedAgents(sight, judge),
        ),
      },
      scan: () => {
        const master = sight.master();
        if (master !== null) for (const agentId of agents.keys()) judge(agentId, master);
      },
    };
  },
};

/** Until the outcome of the newest change is told, the larger of both counts. */
function learnSize(mine: Reported, status: TaskStatus): void {
  const outcome = resizeIn(status);
  const id = status.task_id.value;
  const amounts = mine.tasks.get(id);
  const known = mine.sizes.get(id) ?? { revision: 0, pending: null };
  if (outcome === null || amounts === undefined || outcome.revision <= known.revision) return;
  const pending = known.pending !== null && known.pending.revision > outcome.revision ? known.pending : null;
  const { cpusMilli, memMib, revision } = outcome;
  const told = { ...amounts, cpusMilli, memMib };
  mine.tasks.set(id, pending === null ? told : larger(told, pending.size));
  mine.sizes.set(id, { revision, pending });
  mine.compared = null;
}

function compare(agentId: string, tasks: ReadonlyMap<string, Amounts>, books: AgentBooks, report: Report): void {
  let inBoth = 0;
  for (const { taskId, resources, holds } of books.tasks) {
    if (!holds) continue;
    const amounts = tasks.get(taskId);
    const problem = amounts === undefined ? null : difference(amountsOf(resources), amounts);
    if (amounts !== undefined) inBoth += 1;
    else report(`${agentId} has said that ${taskId} is over, or never had it, and the master holds resources for it`);
    if (problem !== null) report(`${agentId}: the master holds for ${taskId} ${problem}`);
  }
  if (inBoth === tasks.size) return;
  const held = new Set<string>(books.tasks.flatMap(({ taskId, holds }) => (holds ? [taskId] : [])));
  for (const id of tasks.keys()) if (!held.has(id)) report(`${agentId} has ${id}, and the master holds nothing for it`);
}

type AnyHandlers = ReturnType<typeof onTouchedAgents>;

/** Both are called, the first one first. */
function mergeHandlers(first: AnyHandlers, second: AnyHandlers): AnyHandlers {
  const merged: Record<string, (event: never) => void> = {};
  for (const handlers of [first, second]) {
    for (const [kind, handle] of Object.entries(handlers) as [string, (event: never) => void][]) {
      const before = merged[kind];
      merged[kind] = before === undefined ? handle : (event) => (before(event), handle(event));
    }
  }
  return merged;
}
