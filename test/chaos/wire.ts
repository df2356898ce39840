/**
 * One TCP way from a part to another, through this process, so that it can be cut, stalled, slowed and half closed.
 *
 * Bytes are never invented, lost or reordered within a connection, as in TCP. One thing is rewritten: a 307 of a standby
 * names the leader's own address, and gets the address of the way to it instead, or the next connection would go past us.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * `cut`: connections break and new ones are refused. `stall`: nothing moves, nobody is told. `half-close`: one side hears an end
 * that the other never sent. `forget`: what stands is silent for ever, what comes is well, as when a router has lost its table.
 */
export type Disturbance = 'cut' | 'stall' | 'stall-up' | 'stall-down' | 'slow' | 'half-close' | 'forget';
export const DISTURBANCES: readonly Disturbance[] = ['cut', 'stall', 'stall-up', 'stall-down', 'slow', 'half-close', 'forget'];

const SLOW_DELAY_MS = 400;

interface Pair {
  /** Opened by the client. */
  readonly near: Socket;
  /** Ours to the server. */
  readonly far: Socket;
}

export class Wire {
  readonly name: string;
  private readonly server: Server;
  private readonly pairs = new Set<Pair>();
  private readonly forgotten = new Set<Pair>();
  private disturbance: Disturbance | null = null;
  /** Connections that were ever let in. */
  accepted = 0;
  /** `host:port` as servers write it → as our clients reach it. */
  private renames: readonly (readonly [string, string])[] = [];

  private constructor(
    name: string,
    private readonly target: { readonly host: string; readonly port: number },
  ) {
    this.name = name;
    this.server = createServer({ allowHalfOpen: true }, (near) => this.accept(near));
  }

  static async open(name: string, target: { readonly host: string; readonly port: number }): Promise<Wire> {
    const wire = new Wire(name, target);
    await new Promise<void>((resolve, reject) => {
      wire.server.once('error', reject);
      wire.server.listen(0, '127.0.0.1', resolve);
    });
    return wire;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  rename(names: readonly (readonly [string, string])[]): void {
    this.renames = names;
  }

  /** Until `heal`. What is half closed stays so: the connection is over when both sides have ended it. */
  disturb(how: Disturbance): void {
    this.disturbance = how;
    for (const pair of this.pairs) {
      if (how === 'cut') this.drop(pair);
      else if (how === 'half-close') pair.far.end();
      else if (how === 'forget') this.forget(pair);
      else this.hold(pair);
    }
  }

  heal(): void {
    this.disturbance = null;
    for (const { near, far } of this.pairs) {
      near.resume();
      far.resume();
    }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const pair of [...this.pairs, ...this.forgotten]) this.drop(pair);
    await closed;
  }

  private accept(near: Socket): void {
    if (this.disturbance === 'cut') {
      near.on('error', () => undefined);
      near.resetAndDestroy();
      return;
    }
    const far = connect({ ...this.target, allowHalfOpen: true });
    const pair: Pair = { near, far };
    this.accepted += 1;
    this.pairs.add(pair);
    this.pipe(pair, near, far, (bytes) => bytes);
    this.pipe(pair, far, near, (bytes) => this.renamed(bytes));
    this.hold(pair);
  }

  private pipe(pair: Pair, from: Socket, to: Socket, change: (bytes: Buffer) => Buffer): void {
    from.on('data', (bytes) => {
      const write = (): void => {
        if (this.forgotten.has(pair)) return;
        if (!to.destroyed && !to.writableEnded && !to.write(change(bytes))) from.pause();
      };
      if (this.disturbance === 'slow') setTimeout(write, SLOW_DELAY_MS);
      else write();
    });
    to.on('drain', () => {
      if (!this.isHeld(from, pair) && !this.forgotten.has(pair)) from.resume();
    });
    from.on('end', () => {
      if (this.disturbance === 'slow') setTimeout(() => to.end(), SLOW_DELAY_MS);
      else to.end();
    });
    from.on('error', () => {
      if (!this.forgotten.has(pair)) this.drop(pair);
    });
    from.on('close', () => {
      // Of a forgotten connection the other side never hears.
      if (!this.forgotten.has(pair)) this.drop(pair);
    });
  }

  private isHeld(from: Socket, { near }: Pair): boolean {
    if (this.disturbance === 'stall') return true;
    return from === near ? this.disturbance === 'stall-up' : this.disturbance === 'stall-down';
  }

  private hold(pair: Pair): void {
    if (this.isHeld(pair.near, pair)) pair.near.pause();
    if (this.isHeld(pair.far, pair)) pair.far.pause();
  }

  private forget(pair: Pair): void {
    this.pairs.delete(pair);
    this.forgotten.add(pair);
    pair.near.pause();
    pair.far.pause();
  }

  private drop(pair: Pair): void {
    if (!this.pairs.delete(pair) && !this.forgotten.delete(pair)) return;
    for (const socket of [pair.near, pair.far]) {
      socket.on('error', () => undefined);
      socket.resetAndDestroy();
    }
  }

  private renamed(bytes: Buffer): Buffer {
    if (this.renames.length === 0 || !bytes.subarray(0, 12).equals(REDIRECT)) return bytes;
    return Buffer.from(
      this.renames.reduce((text, [there, here]) => text.replaceAll(there, here), bytes.toString('latin1')),
      'latin1',
    );
  }
}

const REDIRECT = Buffer.from('HTTP/1.1 307');
