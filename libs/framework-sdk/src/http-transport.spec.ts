import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodeRecord, type SchedulerEvent } from '@ekiden/mesos';
import { httpTransport, type HttpTransport } from './http-transport.js';
import type { SubscribeCall } from './transport.js';

type Handler = (request: IncomingMessage, body: string, response: ServerResponse) => void;

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const SUBSCRIBE: SubscribeCall = { type: 'SUBSCRIBE', subscribe: { framework_info: { user: 'u', name: 'n' } } };
const servers: Server[] = [];
const transports: HttpTransport[] = [];

async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => handler(request, body, response));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

function transportTo(...masters: string[]): HttpTransport {
  const transport = httpTransport({ masters, token: 'secret', log: silent });
  transports.push(transport);
  return transport;
}

/** Subscribes; resolves with what was heard when `isEnough` or the end. */
function hear(transport: HttpTransport, isEnough: (events: readonly SchedulerEvent[]) => boolean) {
  return new Promise<{ streamId: string; events: readonly SchedulerEvent[]; closed: string | null }>((resolve) => {
    const heard = { streamId: '', events: [] as SchedulerEvent[], closed: null as string | null };
    transport.subscribe(SUBSCRIBE, {
      opened: (id) => (heard.streamId = id),
      event: (event) => {
        heard.events.push(event);
        if (isEnough(heard.events)) resolve(heard);
      },
      closed: (why) => {
        heard.closed = why;
        resolve(heard);
      },
    });
  });
}

afterEach(async () => {
  await Promise.all(transports.splice(0).map((transport) => transport.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

describe('the HTTP transport', () => {
  const stream: Handler = (request, _body, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'mesos-stream-id': 'S' });
    response.write(
      encodeRecord({ type: 'SUBSCRIBED', subscribed: { framework_id: { value: request.headers.authorization }, heartbeat_interval_seconds: 15 } }),
    );
    response.write(encodeRecord({ type: 'INVERSE_OFFERS', inverse_offers: {} }));
    response.write(encodeRecord({ type: 'HEARTBEAT' }));
  };

  it('follows the redirect to the leader, reads the stream, and skips what it does not know', async () => {
    const leader = await serve(stream);
    const follower = await serve((_request, _body, response) =>
      response.writeHead(307, { location: `${leader.slice('http:'.length)}/api/v1/scheduler` }).end(),
    );
    const heard = await hear(transportTo(follower), (events) => events.length === 2);
    expect(heard.streamId).toBe('S');
    expect(heard.events.map((event) => event.type)).toEqual(['SUBSCRIBED', 'HEARTBEAT']);
    expect(heard.events[0]).toMatchObject({ subscribed: { framework_id: { value: 'Bearer secret' } } });
  });

  it('says why there is no stream, and asks the next master the next time', async () => {
    const closed = await serve((_request, _body, response) => response.writeHead(503).end('No leader elected'));
    const leader = await serve(stream);
    const transport = transportTo(closed, leader);
    expect((await hear(transport, () => false)).closed).toContain('No leader elected');
    expect((await hear(transport, (events) => events.length > 0)).streamId).toBe('S');
  });

  it('keeps the order of launches and kills', async () => {
    const seen: string[] = [];
    const master = await serve((_request, body, response) => {
      seen.push(JSON.parse(body).type);
      setTimeout(() => response.writeHead(202).end(), seen.length % 2 === 0 ? 0 : 5);
    });
    const transport = transportTo(master);
    const framework_id = { value: 'F' };
    const answers = await Promise.all([
      transport.call('S', { type: 'ACCEPT', framework_id, accept: {} }),
      transport.call('S', { type: 'KILL', framework_id, kill: { task_id: { value: 't' } } }),
      transport.call('S', { type: 'DECLINE', framework_id, decline: {} }),
      transport.call('S', { type: 'REVIVE', framework_id }),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual([202, 202, 202, 202]);
    expect(seen).toEqual(['ACCEPT', 'KILL', 'DECLINE', 'REVIVE']);
  });

  it('answers 0 when nobody answers, and the text of a refusal', async () => {
    const gone = await serve((request) => request.socket.destroy());
    expect((await transportTo(gone).call('S', { type: 'REVIVE', framework_id: { value: 'F' } })).status).toBe(0);
    const strict = await serve((_request, _body, response) => response.writeHead(400).end('the stream ID did not match'));
    expect(await transportTo(strict).call('S', { type: 'REVIVE', framework_id: { value: 'F' } })).toEqual({ status: 400, text: 'the stream ID did not match' });
  });

  it('ends with the stream', async () => {
    const master = await serve((_request, _body, response) => {
      response.writeHead(200, { 'mesos-stream-id': 'S' });
      response.end(encodeRecord({ type: 'ERROR', error: { message: 'no' } }));
    });
    const heard = await hear(transportTo(master), () => false);
    expect(heard.events.map((event) => event.type)).toEqual(['ERROR']);
    expect(heard.closed).toBe('the master ended the stream');
  });
});
