/**
 * One connection of the simulator, as TCP is: each direction keeps its order and loses nothing without breaking; what breaks it, and
 * which end learns of that and when, is up to the network.
 *
 * The two ends close one after the other. An end that has gone says so behind all that it had sent; when that news cannot get
 * through, the other end stays as it is until it writes (what arrives at a closed end is answered by a reset) or gives up by itself.
 */
import type { Clock } from '@ekiden/model';
import type { Master } from '../../../apps/master/src/master-ports.js';

export type End = 'opener' | 'master';
export type Direction = 'toMaster' | 'fromMaster';

/** Which way nothing gets through. */
export type Cutoff = 'both' | Direction;

/**
 * What becomes of one message. `lose-answer`: it arrives, the answer does not. `late`: its sender has given up on it when
 * it arrives. `slow`: later ones overtake it, and its sender waits. `cut`: it is lost, and its connection with it.
 */
export type Fate = 'deliver' | 'lose' | 'double' | 'lose-answer' | 'late' | 'slow' | 'cut';

/** What a wire needs of the network. */
export interface Medium {
  readonly clock: Clock;
  /** How long one message is under way. */
  delayMs(): number;
  isCutOff(by: string, direction: Direction): boolean;
  /** Runs it once nobody stands in the way of `direction`; at once where nobody does. */
  whenFree(by: string, direction: Direction, work: () => void): void;
  /** Runs it at that moment, in one go with what else of this kind comes then. */
  together(at: number, work: () => void): void;
  /** The machine of a vanished end answers again. */
  isBack(wire: Wire): boolean;
  ended(wire: Wire): void;
}

/** One direction: messages arrive in the order in which they were sent. */
class Lane {
  private lastAt = 0;
  /** What arrives at that moment: read in one go, as from a socket. */
  private arriving: (() => void)[] = [];
  stalledUntil = 0;

  constructor(private readonly medium: Medium) {}

  send(work: () => void, isRoutine = false): void {
    const now = this.medium.clock.now();
    const at = Math.max(this.lastAt, now + this.medium.delayMs(), this.stalledUntil);
    if (at === this.lastAt && this.arriving.length > 0) {
      this.arriving.push(work);
      return;
    }
    this.lastAt = at;
    const arriving = [work];
    this.arriving = arriving;
    const arrive = (): void => {
      if (this.arriving === arriving) this.arriving = [];
      for (const one of arriving) one();
    };
    if (isRoutine) this.medium.together(at, arrive);
    else this.medium.clock.after(at - now, arrive);
  }
}

export class Wire {
  /** Something was sent while nothing got through: it breaks when the way is free again. */
  hadLoss = false;
  /** Which way nothing gets through, on this wire alone. */
  cutoff: Cutoff | null = null;
  /** Who it was opened to; null while it is under way. */
  master: Master | null = null;
  /** Called once when that end learns that it is over. */
  toldOpener: (why: string) => void = () => undefined;
  toldMaster: () => void = () => undefined;
  private readonly open = { opener: true, master: true };
  /** When something last arrived at each end. */
  private readonly heardAt: Record<End, number>;
  private isVanished = false;
  private readonly up: Lane;
  private readonly down: Lane;

  constructor(
    readonly by: string,
    readonly kind: 'stream' | 'link',
    readonly number: number,
    private readonly medium: Medium,
  ) {
    this.up = new Lane(medium);
    this.down = new Lane(medium);
    this.heardAt = { opener: medium.clock.now(), master: medium.clock.now() };
  }

  get isOpen(): boolean {
    return this.open.opener && this.open.master;
  }

  isOpenAt(end: End): boolean {
    return this.open[end];
  }

  /** For how long nothing has arrived at this end. */
  silentMs(end: End): number {
    return this.medium.clock.now() - this.heardAt[end];
  }

  /** Not as its ends believe: they have not learnt of it yet. */
  get isTroubled(): boolean {
    return !this.isOpen || this.cutoff !== null || Math.max(this.up.stalledUntil, this.down.stalledUntil) > this.medium.clock.now();
  }

  /** The first words: `arrived` at the master, unless nothing gets through. */
  dial(arrived: () => void): void {
    this.up.send(() => {
      if (!this.open.opener || this.isBlocked('toMaster')) return;
      if (this.open.master) arrived();
      else this.close('opener', 'connection reset');
    });
  }

  /** Sends one message under its fate. `isRoutine`: it is one of the many that change nothing. */
  pass(direction: Direction, fate: Fate, deliver: () => void, isRoutine = false): void {
    const [sender, receiver] = endsOf(direction);
    if (!this.open[sender]) return;
    if (this.isBlocked(direction)) {
      this.hadLoss = true;
      return;
    }
    if (fate === 'cut') return this.end('connection reset');
    const arrive = (): void => {
      if (this.open[receiver]) {
        this.heardAt[receiver] = this.medium.clock.now();
        deliver();
      } else if (!this.isVanished || this.medium.isBack(this)) this.close(sender, 'connection reset');
    };
    for (let i = 0; i < (fate === 'double' ? 2 : fate === 'lose' ? 0 : 1); i++) this.lane(direction).send(arrive, isRoutine);
  }

  /** Both ends learn of it, as far as the news gets through; what is under way is lost. */
  end(why: string): void {
    this.close('opener', why);
    this.close('master', why);
  }

  /** One end closes, or its process dies: the other learns of it behind what is under way. */
  depart(end: End, why: string): void {
    if (!this.open[end]) return;
    this.close(end, why);
    const direction = end === 'opener' ? 'toMaster' : 'fromMaster';
    const [, other] = endsOf(direction);
    if (this.cutoff === null || (this.cutoff !== 'both' && this.cutoff !== direction))
      this.medium.whenFree(this.by, direction, () => this.lane(direction).send(() => this.close(other, why)));
  }

  /** The power went at the opener's: nobody says anything, and nobody answers until its machine is back. */
  vanish(): void {
    this.isVanished = true;
    this.halfClose('opener', 'the machine is off');
  }

  /** Only this end learns that it is over. */
  halfClose(end: End, why: string): void {
    this.close(end, why);
  }

  /** What is sent from now on arrives only then, in its order; nobody is told. */
  stall(ms: number, direction: Cutoff): void {
    const until = this.medium.clock.now() + ms;
    if (direction !== 'fromMaster') this.up.stalledUntil = Math.max(this.up.stalledUntil, until);
    if (direction !== 'toMaster') this.down.stalledUntil = Math.max(this.down.stalledUntil, until);
  }

  private close(end: End, why: string): void {
    if (!this.open[end]) return;
    this.open[end] = false;
    if (end === 'opener') this.medium.whenFree(this.by, 'fromMaster', () => this.soon(() => this.toldOpener(why)));
    else this.medium.whenFree(this.by, 'toMaster', () => this.soon(() => this.toldMaster()));
    if (!this.open.opener && !this.open.master) this.medium.ended(this);
  }

  private soon(work: () => void): void {
    this.medium.clock.after(this.medium.delayMs(), work);
  }

  private isBlocked(direction: Direction): boolean {
    return this.cutoff === 'both' || this.cutoff === direction || this.medium.isCutOff(this.by, direction);
  }

  private lane(direction: Direction): Lane {
    return direction === 'toMaster' ? this.up : this.down;
  }
}

const endsOf = (direction: Direction): readonly [End, End] => (direction === 'toMaster' ? ['opener', 'master'] : ['master', 'opener']);
