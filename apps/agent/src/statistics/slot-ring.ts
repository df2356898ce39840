/**
 * What was measured in each of the last so many stretches of time, in one typed array that grows only as far as it is used.
 *
 * A slot is a whole number that counts stretches (minutes since the epoch, for example). What is older than the ring is long is gone;
 * a slot of which nothing is known has measured 0 seconds.
 */

/** One slot's worth. Sums, but for memory, which is the highest that was seen. */
export interface Measured {
  /** How much time this covers: 0 is "nothing is known". */
  readonly secs: number;
  readonly cpuSecs: number;
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledSecs: number;
  readonly memoryBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

const COLUMNS = ['secs', 'cpuSecs', 'periods', 'throttledPeriods', 'throttledSecs', 'memoryBytes', 'readBytes', 'writtenBytes'] as const;
const WIDTH = COLUMNS.length;
/** A ring begins with room for so many slots, and doubles: most tasks that end do so young. */
const FIRST_ROOM = 8;

/** As it is written to disk. */
export interface StoredRing {
  readonly oldest: number;
  readonly newest: number;
  /** 32-bit floats, slot by slot from the oldest on, little-endian, as base64. */
  readonly values: string;
}

export class SlotRing {
  private cells = new Float32Array(0);
  private room = 0;
  private oldest = 0;
  private newest = -1;

  /** `length`: slots that are remembered. */
  constructor(private readonly length: number) {}

  /** Slots with a beginning and an end; empty before the first `add`. */
  get span(): { readonly oldest: number; readonly newest: number } | null {
    return this.newest < this.oldest ? null : { oldest: this.oldest, newest: this.newest };
  }

  /** Adds to what is in the slot already. One that is out of reach, since the clock went back, is left out. */
  add(slot: number, measured: Measured): void {
    if (this.span === null) [this.oldest, this.newest] = [slot, slot - 1];
    if (slot < this.oldest) return;
    this.openUpTo(slot);
    const at = this.at(slot);
    for (const [column, name] of COLUMNS.entries()) {
      const before = this.cells[at + column] ?? 0;
      this.cells[at + column] = name === 'memoryBytes' ? Math.max(before, measured[name]) : before + measured[name];
    }
  }

  read(slot: number): Measured | null {
    if (slot < this.oldest || slot > this.newest) return null;
    const at = this.at(slot);
    const value = (column: number): number => this.cells[at + column] ?? 0;
    if (value(0) === 0) return null;
    return {
      secs: value(0),
      cpuSecs: value(1),
      periods: value(2),
      throttledPeriods: value(3),
      throttledSecs: value(4),
      memoryBytes: value(5),
      readBytes: value(6),
      writtenBytes: value(7),
    };
  }

  store(): StoredRing | null {
    if (this.span === null) return null;
    const values = this.inOrder(this.newest - this.oldest + 1);
    return { oldest: this.oldest, newest: this.newest, values: Buffer.from(values.buffer).toString('base64') };
  }

  /** Null when it is not what `store` makes. */
  static restore(length: number, { oldest, newest, values }: StoredRing): SlotRing | null {
    const bytes = Buffer.from(values, 'base64');
    const slots = newest - oldest + 1;
    if (!Number.isSafeInteger(oldest) || !Number.isSafeInteger(newest) || slots < 1 || slots > length) return null;
    if (bytes.length !== slots * WIDTH * Float32Array.BYTES_PER_ELEMENT) return null;
    const ring = new SlotRing(length);
    ring.makeRoom(slots);
    [ring.oldest, ring.newest] = [oldest, newest];
    for (let slot = oldest; slot <= newest; slot += 1)
      for (let column = 0; column < WIDTH; column += 1) ring.cells[ring.at(slot) + column] = bytes.readFloatLE(((slot - oldest) * WIDTH + column) * 4);
    return ring;
  }

  private at(slot: number): number {
    return (slot % this.room) * WIDTH;
  }

  /** Makes `slot` the newest, if it is newer: what is between is empty, what falls out at the other end is forgotten. */
  private openUpTo(slot: number): void {
    if (slot <= this.newest) return;
    if (slot - this.newest >= this.length) [this.oldest, this.newest] = [slot, slot - 1];
    this.oldest = Math.max(this.oldest, slot - this.length + 1);
    this.newest = Math.max(this.newest, this.oldest - 1);
    this.makeRoom(slot - this.oldest + 1);
    for (let empty = this.newest + 1; empty <= slot; empty += 1) this.cells.fill(0, this.at(empty), this.at(empty) + WIDTH);
    this.newest = slot;
  }

  private makeRoom(slots: number): void {
    if (slots <= this.room) return;
    let room = Math.max(FIRST_ROOM, this.room);
    while (room < slots) room *= 2;
    room = Math.min(room, this.length);
    const known = this.newest - this.oldest + 1;
    const values = known > 0 ? this.inOrder(known) : new Float32Array(0);
    this.room = room;
    this.cells = new Float32Array(room * WIDTH);
    for (let index = 0; index < known; index += 1) this.cells.set(values.subarray(index * WIDTH, (index + 1) * WIDTH), this.at(this.oldest + index));
  }

  private inOrder(slots: number): Float32Array<ArrayBuffer> {
    const values = new Float32Array(slots * WIDTH);
    for (let index = 0; index < slots; index += 1) {
      const at = this.at(this.oldest + index);
      values.set(this.cells.subarray(at, at + WIDTH), index * WIDTH);
    }
    return values;
  }
}
