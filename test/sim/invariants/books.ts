/** The master's books of an agent, read and added up once a turn, however many invariants look at them. */
import type { AgentBooks, Master } from '../../../apps/master/src/master-ports.js';
import { amountsOf, excess, sumOf, type Amounts } from './quantities.js';

export interface ReadBooks {
  readonly books: AgentBooks;
  /** By tasks; by offers; by both. */
  readonly held: Amounts;
  readonly out: Amounts;
  readonly all: Amounts;
  /** What is held beyond what the agent has, in words; null: nothing. */
  readonly deficit: string | null;
}

export const readBooks = (books: AgentBooks): ReadBooks => readBooksSince(books, null);

/** `before`: an older reading. What the same tasks hold is not added up again. */
function readBooksSince(read: AgentBooks, before: ReadBooks | null): ReadBooks {
  const isKnown = before !== null && areSameTasks(before.books.tasks, read.tasks);
  const books = isKnown ? { ...read, tasks: before.books.tasks } : read;
  const held = isKnown ? before.held : sumOf(books.tasks.flatMap(({ holds, resources }) => (holds ? [amountsOf(resources)] : [])));
  const out = sumOf(books.offers.map(({ resources }) => amountsOf(resources)));
  const all = books.offers.length === 0 ? held : sumOf([held, out]);
  return { books, held, out, all, deficit: excess(all, amountsOf(books.total)) };
}

const areSameTasks = (a: AgentBooks['tasks'], b: AgentBooks['tasks']): boolean =>
  a.length === b.length &&
  a.every((task, index) => {
    const other = b[index];
    return task.resources === other?.resources && task.holds === other.holds && task.taskId === other.taskId;
  });

export class BooksOfTurn {
  private readonly read = new Map<string, ReadBooks | null>();
  /** The newest readings of the present master, since the last scan. */
  private readonly older = new Map<string, ReadBooks>();
  private reader: Master | null = null;

  constructor(private readonly master: () => Master | null) {}

  /** Of the present master; null: it has no such agent. As long as its tasks stay the same, `books.tasks` is the same list. */
  of(agentId: string): ReadBooks | null {
    const known = this.read.get(agentId);
    if (known !== undefined) return known;
    const master = this.master();
    if (master !== this.reader) this.older.clear();
    this.reader = master;
    const books = master?.state.books(agentId) ?? null;
    const read = books === null ? null : readBooksSince(books, this.older.get(agentId) ?? null);
    this.read.set(agentId, read);
    if (read !== null) this.older.set(agentId, read);
    return read;
  }

  /** What was read may be old. */
  turn(): void {
    if (this.read.size > 0) this.read.clear();
  }

  /** Everything is to be looked at as if for the first time. */
  forget(): void {
    this.read.clear();
    this.older.clear();
  }
}
