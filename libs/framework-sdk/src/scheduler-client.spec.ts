import type { SchedulerCall, SchedulerEvent } from '@ekiden/mesos';
import type { Instant, Timer, World } from '@ekiden/model';
import { createSchedulerClient, type Connection } from './scheduler-client.js';
import type { CallAnswer, SubscribeCall, SubscriptionSink } from './transport.js';

/** Time that only the test moves. */
class HandClock {
  time: Instant = 0;
  private readonly waiting: { at: Instant; wake: (() => void) | null }[] = [];
  now = (): Instant => this.time;
  after = (delayMs: number, wake: () => void): Timer => {
    const entry: { at: Instant; wake: (() => void) | null } = { at: this.time + delayMs, wake };
    this.waiting.push(entry);
    return { cancel: () => void (entry.wake = null) };
  };

  run(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      const next = this.waiting.filter((one) => one.wake !== null && one.at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.time = next.at;
      const { wake } = next;
      next.wake = null;
      wake?.();
    }
    this.time = until;
  }
}

const MASTER = { id: 'm', ip: 0, port: 5050, hostname: 'master' };

function bench() {
  const clock = new HandClock();
  const warned: string[] = [];
  const silent = { debug: () => undefined, info: () => undefined, warn: (event: string) => void warned.push(event), error: () => undefined };
  const world: World = { clock, random: { next: () => 0.5 }, ids: { uuid: () => 'u' }, log: silent };
  const subscribes: { call: SubscribeCall; sink: SubscriptionSink; at: Instant; closed: boolean }[] = [];
  const calls: { streamId: string; call: SchedulerCall }[] = [];
  const told: string[] = [];
  const transport = {
    subscribe(call: SubscribeCall, sink: SubscriptionSink) {
      const entry = { call, sink, at: clock.now(), closed: false };
      subscribes.push(entry);
      return { close: () => void (entry.closed = true) };
    },
    call(streamId: string, call: Exclude<SchedulerCall, SubscribeCall>): Promise<CallAnswer> {
      calls.push({ streamId, call });
      return Promise.resolve({ status: 202, text: '' });
    },
  };
  const client = createSchedulerClient(world, transport, {
    frameworkInfo: () => ({ info: { user: 'root', name: 'test' }, suppressedRoles: [] }),
    connected: ({ streamId }: Connection) => told.push(`connected ${streamId}`),
    disconnected: (why) => told.push(`disconnected: ${why}`),
    event: (event: SchedulerEvent, { streamId }: Connection) => told.push(`${event.type} over ${streamId}`),
    removed: () => told.push('removed'),
  });
  const answer = (index: number, streamId: string, capabilities: readonly string[] = []): void => {
    const sink = subscribes[index]?.sink;
    sink?.opened(streamId);
    sink?.event({
      type: 'SUBSCRIBED',
      subscribed: {
        framework_id: { value: 'F' },
        heartbeat_interval_seconds: 15,
        master_info: { ...MASTER, capabilities: capabilities.map((type) => ({ type })) },
      },
    });
  };
  return { clock, client, subscribes, calls, told, warned, answer };
}

describe('the scheduler client', () => {
  it('says in the log that it finds no master, but not at every attempt', () => {
    const { clock, client, subscribes, warned } = bench();
    client.start(null);
    while (clock.now() < 30_000) {
      clock.run(10);
      subscribes.at(-1)?.sink.closed('answered 401');
    }
    expect(subscribes.length).toBeGreaterThan(8);
    expect(warned).toEqual(['no subscription yet']);
  });

  it('subscribes, keeps the id it was given, and calls over the newest stream', async () => {
    const { clock, client, subscribes, calls, told, answer } = bench();
    expect(await client.call({ type: 'REVIVE' })).toMatchObject({ status: 0 });
    client.start(null);
    clock.run(1);
    expect(subscribes[0]?.call.framework_id).toBeUndefined();
    answer(0, 's1');
    expect(await client.call({ type: 'REVIVE' })).toMatchObject({ status: 202 });
    expect(calls[0]).toEqual({ streamId: 's1', call: { type: 'REVIVE', framework_id: { value: 'F' } } });
    subscribes[0]?.sink.closed('cut');
    clock.run(0);
    expect(subscribes).toHaveLength(2); // The first retry waits for nothing.
    expect(subscribes[1]?.call.framework_id).toEqual({ value: 'F' });
    answer(1, 's2');
    expect(told).toEqual(['connected s1', 'disconnected: cut', 'connected s2']);
  });

  it('subscribes with growing pauses while streams break as soon as they are there, and at once after one that lasted', () => {
    const { clock, client, subscribes, answer } = bench();
    client.start(null);
    while (clock.now() < 60_000) {
      clock.run(10);
      const index = subscribes.length - 1;
      if (subscribes[index]?.closed !== false) continue;
      answer(index, `s${index}`);
      subscribes[index]?.sink.closed('cut');
    }
    expect(subscribes.length).toBeGreaterThan(15);
    expect(subscribes.length).toBeLessThan(30);
    clock.run(5_000);
    answer(subscribes.length - 1, 'stable');
    clock.run(5_000);
    const before = subscribes.length;
    subscribes.at(-1)?.sink.closed('cut');
    clock.run(0);
    expect(subscribes).toHaveLength(before + 1);
  });

  it('hears nothing of an old stream', () => {
    const { clock, client, subscribes, told, answer } = bench();
    client.start(null);
    clock.run(1);
    answer(0, 's1');
    client.reconnect('why not');
    clock.run(1);
    answer(1, 's2');
    subscribes[0]?.sink.event({ type: 'RESCIND', rescind: { offer_id: { value: 'O' } } });
    subscribes[1]?.sink.event({ type: 'RESCIND', rescind: { offer_id: { value: 'O' } } });
    expect(told.filter((line) => line.startsWith('RESCIND'))).toEqual(['RESCIND over s2']);
    expect(subscribes[0]?.closed).toBe(true);
  });

  describe('acknowledges', () => {
    const acknowledgement = (task: string) => ({ agent_id: { value: 'A' }, task_id: { value: task }, uuid: 'u' });
    const connectedTo = (capabilities: readonly string[]) => {
      const one = bench();
      one.client.start(null);
      one.clock.run(1);
      one.answer(0, 's1', capabilities);
      return one;
    };

    it('what comes in one turn with one call, where the master takes that', async () => {
      const { client, calls } = connectedTo(['EKIDEN_BATCH_ACKNOWLEDGE']);
      for (const task of ['t1', 't2']) client.acknowledge(acknowledgement(task));
      await Promise.resolve();
      client.acknowledge(acknowledgement('t3'));
      await Promise.resolve();
      const framework_id = { value: 'F' };
      expect(calls.map(({ call }) => call)).toEqual([
        { type: 'EKIDEN_BATCH_ACKNOWLEDGE', framework_id, batch_acknowledge: { acknowledgements: [acknowledgement('t1'), acknowledgement('t2')] } },
        { type: 'ACKNOWLEDGE', framework_id, acknowledge: acknowledgement('t3') },
      ]);
    });

    it('within the bound of a call', async () => {
      const { client, calls } = connectedTo(['EKIDEN_BATCH_ACKNOWLEDGE']);
      for (let task = 0; task < 1_500; task += 1) client.acknowledge(acknowledgement(`t${task}`));
      await Promise.resolve();
      const sizes = calls.map(({ call }) => (call.type === 'EKIDEN_BATCH_ACKNOWLEDGE' ? call.batch_acknowledge.acknowledgements.length : 0));
      expect(sizes).toEqual([1_000, 500]);
    });

    it('one by one at a plain Mesos', async () => {
      const { client, calls } = connectedTo([]);
      for (const task of ['t1', 't2']) client.acknowledge(acknowledgement(task));
      await Promise.resolve();
      expect(calls.map(({ call }) => (call.type === 'ACKNOWLEDGE' ? call.acknowledge.task_id.value : ''))).toEqual(['t1', 't2']);
    });

    it('nothing over a stream that has ended or over the next one: there the statuses come again', async () => {
      const { client, clock, calls, answer } = connectedTo([]);
      client.acknowledge(acknowledgement('t1'));
      client.reconnect('why not');
      clock.run(1);
      answer(1, 's2');
      await Promise.resolve();
      expect(calls).toEqual([]);
    });
  });

  it('gives up a stream that misses five heartbeats', () => {
    const { clock, client, subscribes, told, answer } = bench();
    client.start(null);
    clock.run(1);
    answer(0, 's1');
    for (let beat = 0; beat < 10; beat += 1) {
      clock.run(15_000);
      subscribes[0]?.sink.event({ type: 'HEARTBEAT' });
    }
    clock.run(74_000);
    expect(subscribes).toHaveLength(1);
    clock.run(2_000);
    expect(subscribes).toHaveLength(2);
    expect(told[1]).toContain('nothing heard');
  });

  it('asks calmly while there is no master: at once, then with pauses up to five seconds', () => {
    const { clock, client, subscribes, warned } = bench();
    client.start(null);
    for (let tries = 0; tries < 20; tries += 1) {
      clock.run(6_000);
      subscribes[subscribes.length - 1]?.sink.closed('refused');
    }
    const pauses = subscribes.slice(1).map((one, index) => one.at - (subscribes[index]?.at ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(11_000);
    expect(subscribes.length).toBeGreaterThan(10);
    expect(new Set(warned)).toEqual(new Set(['no subscription yet']));
    expect(warned.length).toBeLessThan(subscribes.length / 4); // told, but not at each try
  });

  it('becomes a new framework when the master has removed it', () => {
    const { clock, client, subscribes, told, answer } = bench();
    client.start(null);
    clock.run(1);
    answer(0, 's1');
    subscribes[0]?.sink.event({ type: 'ERROR', error: { message: 'Framework has been removed' } });
    clock.run(10);
    expect(told).toContain('removed');
    expect(subscribes[1]?.call.framework_id).toBeUndefined();
  });
});
