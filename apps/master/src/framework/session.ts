/**
 * One scheduler stream: its id, its heartbeats, and the order of its first events.
 *
 * Events said before the stream's head has gone out wait, so that SUBSCRIBED is always first and a HEARTBEAT second.
 */
import type { SchedulerEvent } from '@ekiden/mesos';
import type { Clock, Timer } from '@ekiden/model';
import type { EventSink } from '../master-ports.js';

export class Session {
  #waiting: SchedulerEvent[] | null = [];
  #timer: Timer;
  #isOver = false;

  constructor(
    readonly streamId: string,
    private readonly sink: EventSink,
    private readonly clock: Clock,
    private readonly heartbeatIntervalMs: number,
  ) {
    this.#timer = clock.after(0, () => this.#open());
  }

  send(event: SchedulerEvent): void {
    if (this.#isOver) return;
    if (this.#waiting !== null) this.#waiting.push(event);
    else this.sink.event(event);
  }

  /** The master ends the stream, after what was said before. */
  end(error: string | null): void {
    if (this.#isOver) return;
    if (error !== null) this.send({ type: 'ERROR', error: { message: error } });
    this.#timer.cancel();
    this.#isOver = true;
    if (this.#waiting === null) this.sink.close();
    else this.#timer = this.clock.after(0, () => this.#flushAndClose());
  }

  /** The connection is gone: nothing can be said any more. */
  broken(): void {
    this.#timer.cancel();
    this.#isOver = true;
  }

  #open(): void {
    this.#flush();
    this.#beat();
  }

  #beat(): void {
    this.#timer = this.clock.after(this.heartbeatIntervalMs, () => {
      this.sink.event({ type: 'HEARTBEAT' });
      if (!this.#isOver) this.#beat();
    });
  }

  #flush(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const event of waiting) this.sink.event(event);
  }

  #flushAndClose(): void {
    this.#flush();
    this.sink.close();
  }
}
