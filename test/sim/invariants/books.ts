/** The master's books of an agent, read and added up once a turn, however many invariants look at them. */
import type { AgentBooks, Master } from '../../../apps/master/src/master-ports.js';
import { amountsOf, difference, excess, minus, NOTHING, sumOf, type Amounts } from './quantities.js';

export interface ReadBooks {
  readonly books: AgentBooks;
  /** What its offers hold. */
  readonly out: Amounts;
  /** How what is allocated differs from what tasks hold, in words; null: not at all. */
  readonly misallocated: string | null;
  /** What is held beyond what the agent has, in words; null: nothing. */
  readonly deficit: string | null;
  /** What may be offered next: what it has without what tasks and offers hold; nothing where it has a deficit. */
  readonly left: Amounts;
}

/** What outlives a turn: as little as possible, since there is one for each agent. */
interface Known {
  readonly total: AgentBooks['total'];
  readonly allocated: AgentBooks['allocated'];
  readonly tasks: AgentBooks['tasks'];
  /** By tasks. */
  readonly held: Amounts;
  readonly misallocated: string | null;
  /** Where nothing is offered; null: not seen so yet. */
  readonly unoffered: Pick<ReadBooks, 'deficit' | 'left'> | null;
}

export const readBooks = (books: AgentBooks): ReadBooks => readBooksSince(books, null, true).read;

/** `before`: of an older reading. What the same tasks hold is not added up again, nor read where neither they nor their sum have been touched. */
function readBooksSince(from: AgentBooks, before: Known | null, mayTasksDiffer: boolean): { readonly read: ReadBooks; readonly known: Known } {
  const { isConnected, total, allocated, offered, free, offers } = from;
  const isUntouched = !mayTasksDiffer && before?.allocated === allocated;
  const now = before !== null && isUntouched ? before.tasks : from.tasks;
  const isKnown = before !== null && areSameTasks(before.tasks, now);
  const tasks = isKnown ? before.tasks : now;
  const held = isKnown ? before.held : sumOf(tasks.flatMap(({ holds, resources }) => (holds ? [amountsOf(resources)] : [])));
  const out = sumOf(offers.map(({ resources }) => amountsOf(resources)));
  const misallocated = isKnown && before.allocated === allocated ? before.misallocated : difference(amountsOf(allocated), held);
  const knownLeft = isKnown && before.total === total ? before.unoffered : null;
  const left = offers.length > 0 ? leftOf(total, sumOf([held, out])) : (knownLeft ?? leftOf(total, held));
  const books = { isConnected, total, allocated, offered, free, tasks, offers };
  return {
    read: { books, out, misallocated, ...left },
    known: { total, allocated, tasks, held, misallocated, unoffered: offers.length > 0 ? knownLeft : left },
  };
}

function leftOf(total: AgentBooks['total'], all: Amounts): Pick<ReadBooks, 'deficit' | 'left'> {
  const deficit = excess(all, amountsOf(total));
  return { deficit, left: deficit === null ? minus(amountsOf(total), all) : NOTHING };
}

const areSameTasks = (a: AgentBooks['tasks'], b: AgentBooks['tasks']): boolean =>
  a === b ||
  (a.length === b.length &&
    a.every((task, index) => {
      const other = b[index];
      return task.resources === other?.resources && task.holds === other.holds && task.taskId === other.taskId;
    }));

export class BooksOfTurn {
  private readonly read = new Map<string, ReadBooks | null>();
  /** The newest readings of the present master, since the last scan. */
  private readonly older = new Map<string, Known>();
  private reader: Master | null = null;
  private ids: readonly string[] | null = null;

  /** `mayTasksDiffer`: since they were read last. */
  constructor(
    private readonly master: () => Master | null,
    private readonly mayTasksDiffer: (agentId: string) => boolean,
  ) {}

  /** Agents of the present master. */
  agentIds(): readonly string[] {
    return (this.ids ??= (this.master()?.state.agents() ?? []).map(({ agentId }) => agentId));
  }

  /** Of the present master; null: it has no such agent. As long as its tasks stay the same, `books.tasks` is the same list. */
  of(agentId: string): ReadBooks | null {
    const known = this.read.get(agentId);
    if (known !== undefined) return known;
    const master = this.master();
    if (master !== this.reader) this.older.clear();
    this.reader = master;
    const books = master?.state.books(agentId) ?? null;
    const since = books === null ? null : readBooksSince(books, this.older.get(agentId) ?? null, this.mayTasksDiffer(agentId));
    this.read.set(agentId, since?.read ?? null);
    if (since !== null) this.older.set(agentId, since.known);
    return since?.read ?? null;
  }

  /** What was read may be old. */
  turn(): void {
    if (this.read.size > 0) this.read.clear();
    this.ids = null;
  }

  /** Everything is to be looked at as if for the first time. */
  forget(): void {
    this.turn();
    this.older.clear();
  }
}
