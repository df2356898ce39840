/** The master's books of an agent, read and added up once a turn, however many invariants look at them. */
import type { AgentBooks, Master } from '../../../apps/master/src/master-ports.js';
import { amountsOf, difference, excess, sumOf, type Amounts } from './quantities.js';

export interface ReadBooks {
  readonly books: AgentBooks;
  /** By tasks; by offers; by both. */
  readonly held: Amounts;
  readonly out: Amounts;
  readonly all: Amounts;
  /** How what is allocated differs from what tasks hold, in words; null: not at all. */
  readonly misallocated: string | null;
  /** What is held beyond what the agent has, in words; null: nothing. */
  readonly deficit: string | null;
}

export const readBooks = (books: AgentBooks): ReadBooks => readBooksSince(books, null, true);

/** `before`: an older reading. What the same tasks hold is not added up again, nor read where neither they nor their sum have been touched. */
function readBooksSince(read: AgentBooks, before: ReadBooks | null, mayTasksDiffer: boolean): ReadBooks {
  const { isConnected, total, allocated, offered, free, offers } = read;
  const isUntouched = !mayTasksDiffer && before?.books.allocated === allocated;
  const now = before !== null && isUntouched ? before.books.tasks : read.tasks;
  const isKnown = before !== null && areSameTasks(before.books.tasks, now);
  const tasks = isKnown ? before.books.tasks : now;
  const held = isKnown ? before.held : sumOf(tasks.flatMap(({ holds, resources }) => (holds ? [amountsOf(resources)] : [])));
  const out = sumOf(offers.map(({ resources }) => amountsOf(resources)));
  const all = offers.length === 0 ? held : sumOf([held, out]);
  const misallocated = isKnown && before.books.allocated === allocated ? before.misallocated : difference(amountsOf(allocated), held);
  return { books: { isConnected, total, allocated, offered, free, tasks, offers }, held, out, all, misallocated, deficit: excess(all, amountsOf(total)) };
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
  private readonly older = new Map<string, ReadBooks>();
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
    const read = books === null ? null : readBooksSince(books, this.older.get(agentId) ?? null, this.mayTasksDiffer(agentId));
    this.read.set(agentId, read);
    if (read !== null) this.older.set(agentId, read);
    return read;
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
