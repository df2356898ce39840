/** `/v2/events` over real sockets: frames, filters, the limit of subscribers, and who does not read is cut off. */
import { request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { MAX_SUBSCRIBERS, MAX_UNSENT_BYTES } from '../src/http/bounds.js';
import { openBench, type HttpBench } from './http-bench.js';

/** A thousand connections on a busy machine. */
const MANY_CONNECTIONS_MS = 60_000;

let bench: HttpBench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

const open = (path: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    request(bench.url + path, { headers: { accept: 'text/event-stream' } }, resolve)
      .on('error', reject)
      .end();
  });

async function readUntil(stream: IncomingMessage, wanted: string): Promise<string> {
  let text = '';
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.includes(wanted)) return text;
  }
  return text;
}

describe('the event stream', () => {
  it('sends the client’s own attachment first, then what happens, in Marathon’s frames', async () => {
    const stream = await open('/v2/events');
    expect(stream.headers['content-type']).toBe('text/event-stream;charset=utf-8');
    expect(stream.headers['transfer-encoding']).toBeUndefined();
    expect(await readUntil(stream, '\r\n\r\n')).toMatch(/^event: event_stream_attached\r\ndata: \{.*"remoteAddress":"127.0.0.1".*\}\r\n\r\n$/);
    bench.api.emit('deployment_success', { id: 'd-1' });
    const text = await readUntil(stream, '\r\n\r\n');
    expect(text).toContain('event: deployment_success\r\ndata: {"id":"d-1","eventType":"deployment_success"');
    stream.destroy();
  });

  it('filters by type', async () => {
    const stream = await open('/v2/events?event_type=app_terminated_event&event_type=x');
    bench.api.emit('deployment_success');
    bench.api.emit('app_terminated_event', { appId: '/a' });
    expect(await readUntil(stream, '\r\n\r\n')).toMatch(/^event: app_terminated_event/);
    stream.destroy();
  });

  it('is only for those who accept it', async () => {
    expect(await bench.send('GET', '/v2/events', undefined, { accept: '*/*' })).toMatchObject({ status: 405 });
  });

  it(
    'refuses subscribers above the limit, and cuts off those that stop reading',
    async () => {
      const sockets: Socket[] = [];
      const port = Number(new URL(bench.url).port);
      const head = 'GET /v2/events?event_type=big HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n';
      let ended = 0;
      await Promise.all(
        Array.from(
          { length: MAX_SUBSCRIBERS },
          () =>
            new Promise<void>((resolve, reject) => {
              const socket = connect(port, '127.0.0.1', () => socket.write(head));
              socket.once('readable', () => resolve());
              socket.on('error', reject);
              socket.on('close', () => (ended += 1));
              sockets.push(socket);
            }),
        ),
      );
      expect(await bench.send('GET', '/v2/events', undefined, { accept: 'text/event-stream' })).toMatchObject({ status: 503 });
      expect(await bench.send('GET', '/v2/apps')).toMatchObject({ status: 200 });
      for (const socket of sockets.slice(20)) socket.destroy();
      const text = 'x'.repeat(MAX_UNSENT_BYTES / 4);
      for (let sent = 0; sent < 200 && ended < MAX_SUBSCRIBERS; sent += 1) {
        bench.api.emit('big', { text });
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (const socket of sockets) socket.resume(); // a cut connection shows its end only to a reader
      await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())))));
      expect(await bench.send('GET', '/v2/apps')).toMatchObject({ status: 200 });
    },
    MANY_CONNECTIONS_MS,
  );
});
