/** What every figure gets, and what it gives back. */
import type { Contender, ContenderName, Deployer } from './contender.js';
import type { EkidenContender } from './ekiden-contender.js';
import type { Endings } from './endings.js';
import type { Pm2 } from './pm2.js';

/** One number of one contender, measured once a round. */
export interface Sample {
  readonly figure: string;
  /** What was measured, `start 50` or `GET /v2/apps`. */
  readonly what: string;
  readonly unit: 'ms' | '/s' | 'MiB' | '×';
  readonly of: ContenderName;
  readonly value: number;
}

export interface Context {
  readonly rounds: number;
  readonly quick: boolean;
  /** Null where a contender did not come up; the note says why. */
  readonly ekiden: EkidenContender | null;
  readonly ekidenCgroup: EkidenContender | null;
  readonly pm2: Pm2 | null;
  readonly floors: readonly Contender[];
  readonly endings: Endings;
  sample(sample: Sample): void;
  /** A line below the tables: what did not work, or where the time goes. */
  note(line: string): void;
}

export interface Figure {
  readonly name: string;
  /** Brings its own contenders, and asks none of the context's. */
  readonly isAlone?: boolean;
  run(context: Context): Promise<void>;
}

/** Everybody, in the order in which they take turns. */
export function contendersOf(context: Context): readonly Contender[] {
  return [...context.floors, ...deployersOf(context)];
}

export function deployersOf(context: Context): readonly Deployer[] {
  return [context.pm2, context.ekiden, context.ekidenCgroup].filter((one) => one !== null);
}

/** One contender's turn; that it fails is noted and keeps nobody else. */
export async function turn(context: Context, who: Contender, what: string, take: () => Promise<void>): Promise<void> {
  try {
    await take();
  } catch (error) {
    context.note(`${what}: ${who.name}: ${error instanceof Error ? error.message : String(error)}`);
    await who.clear().catch(() => undefined); // it may hold nothing that could be cleared
  }
}
