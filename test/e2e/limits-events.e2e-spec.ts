/**
 * The limits of the event stream (decision 21): 2,000 clients that stop reading, and one that reads.
 *
 * The kernel takes some MB for each connection before anything is unsent, so only some of the stalled clients stay until they
 * are cut off: a thousand would fill the memory of a small machine.
 */
import { connect, type Socket } from 'node:net';
import { Bystander } from './bystander.js';
import { Ekiden, eventually } from './ekiden.js';

jest.setTimeout(240_000);

const CLIENTS = 2_000;
const LIMIT = 1_000;
/** Connections that are opened at a time: a listen backlog is short. */
const AT_ONCE = 50;
const STAY = 40;
const BOUND_MS = 120_000;

describe('event streams that nobody reads', () => {
  let ekiden: Ekiden;
  let bystander: Bystander;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    ekiden = await Ekiden.start();
    bystander = await Bystander.deploy(ekiden);
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await ekiden?.end();
  });

  it('are refused past the limit, cut off when they stall, and keep no event from who reads', async () => {
    const reader = new Reader(await open(ekiden));
    await eventually('the reader is attached', () => reader.status === 200);

    const stalled: Stalled[] = [];
    for (let from = 0; from < CLIENTS; from += AT_ONCE) {
      const some = await Promise.all(Array.from({ length: AT_ONCE }, async () => new Stalled(await open(ekiden))));
      stalled.push(...some);
      await eventually('all have an answer', () => some.every(({ status }) => status !== null), BOUND_MS);
    }
    const count = (status: number): number => stalled.filter((client) => client.status === status).length;
    expect({ taken: count(200), refused: count(503) }).toEqual({ taken: LIMIT - 1, refused: CLIENTS - LIMIT + 1 });
    const refused = await ekiden.get('/v2/events', { accept: 'text/event-stream' });
    expect(refused).toMatchObject({ status: 503, body: { message: expect.stringContaining('1000 event streams') } });

    for (const { socket } of stalled.filter(({ status }) => status === 200).slice(STAY)) socket.destroy();
    await eventually('the others have left', async () => (await openStreams()) === STAY + 1);

    // Each change is an event with the whole definition: soon there is more for each client than a kernel keeps.
    const ballast = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`BALLAST_${index}`, 'x'.repeat(100_000)]));
    let changes = 0;
    const change = async (): Promise<void> => {
      const reply = await ekiden.send('PUT', '/v2/apps/test/large?force=true', {
        cmd: 'sleep 1000',
        instances: 0,
        env: ballast,
        labels: { change: `${++changes}` },
      });
      expect(reply.status).toBeLessThan(300);
    };
    await eventually(
      'those that stall are cut off',
      async () => {
        if ((await openStreams()) === 1) return true;
        await change();
        return false;
      },
      BOUND_MS,
    );

    await eventually('the reader has every change', () => reader.text.includes(`"change":"${changes}"`));
    for (let number = 1; number <= changes; number++) expect(reader.text).toContain(`"change":"${number}"`);
    expect(reader.ended).toBe(false);
    const next = new Reader(await open(ekiden));
    await eventually('there is room again', () => next.status === 200);
    await bystander.isUnharmed();
  });

  const openStreams = async (): Promise<number> => (await ekiden.get('/metrics')).body.gauges['marathon.http.event-streams.active.gauge'].value;

  function open(to: Ekiden): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: to.apiPort });
      sockets.push(socket);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject).on('error', () => undefined); // cut off: what the test is about
        socket.write('GET /v2/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n');
        resolve(socket);
      });
    });
  }
});

const statusIn = (text: string): number | null => {
  const match = /^HTTP\/1\.1 (\d{3}) /.exec(text);
  return match ? Number(match[1]) : null;
};

/** Reads the head of the answer and nothing more. */
class Stalled {
  status: number | null = null;

  constructor(readonly socket: Socket) {
    socket.once('data', (chunk: Buffer) => {
      this.status = statusIn(chunk.toString());
      socket.pause();
    });
  }
}

/** Reads everything. Of the large values only a trace is kept. */
class Reader {
  status: number | null = null;
  text = '';
  ended = false;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.status ??= statusIn(chunk.toString());
      this.text += chunk.toString().replaceAll(/x{2,}/g, 'x');
    });
    socket.on('close', () => (this.ended = true));
  }
}
