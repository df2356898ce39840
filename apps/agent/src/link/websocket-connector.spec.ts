import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AGENT_LINK_PATH } from '@ekiden/agent-link';
import { WebSocketServer } from 'ws';
import { webSocketConnector } from './websocket-connector.js';

describe('the connection to the master', () => {
  let leader: WebSocketServer;
  let standby: Server;
  let location = '';
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;

  beforeEach(async () => {
    leader = new WebSocketServer({ host: '127.0.0.1', port: 0, path: AGENT_LINK_PATH });
    standby = createServer();
    standby.on('upgrade', (_request, socket) => socket.end(`HTTP/1.1 307 Elsewhere\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`));
    await Promise.all([new Promise((resolve) => leader.on('listening', resolve)), new Promise<void>((resolve) => standby.listen(0, '127.0.0.1', resolve))]);
  });
  afterEach(() => {
    for (const client of leader.clients) client.terminate();
    leader.close();
    standby.closeAllConnections();
    standby.close();
  });

  const outcome = (master: string): Promise<string> =>
    new Promise((resolve) => {
      const link = webSocketConnector({ masters: [master], token: null }).connect({
        opened: () => {
          link.close('seen');
          resolve('opened');
        },
        message: () => undefined,
        closed: (why) => resolve(why),
      });
    });

  it('follows a master to the one that leads', async () => {
    location = `//127.0.0.1:${portOf(leader)}${AGENT_LINK_PATH}`;
    expect(await outcome(`http://127.0.0.1:${portOf(standby)}`)).toBe('opened');
  });

  it.each(['//127.0.0.1:99999/', 'http://[', 'ftp://127.0.0.1/', 'nowhere'])('takes a master that names %s for one that failed', async (named) => {
    location = named;
    expect(await outcome(`http://127.0.0.1:${portOf(standby)}`)).toContain('no address of a master');
  });

  it('takes an address that is none for a failed attempt', async () => {
    expect(await outcome('nonsense')).toContain('"nonsense" is no address of a master');
  });

  it('sends what is said in one turn together, in order, and before a close', async () => {
    const heard = new Promise<string[]>((resolve) => {
      leader.on('connection', (socket) => {
        const nonces: string[] = [];
        socket.on('message', (frame: Buffer) => nonces.push(String((JSON.parse(frame.toString('utf8')) as { nonce: number }).nonce)));
        socket.on('close', (_, why) => resolve([...nonces, why.toString('utf8')]));
      });
    });
    const link = webSocketConnector({ masters: [`http://127.0.0.1:${portOf(leader)}`], token: null }).connect({
      opened: () => {
        for (let nonce = 0; nonce < 100; nonce += 1) link.send({ type: 'pong', nonce });
        link.close('all said');
      },
      message: () => undefined,
      closed: () => undefined,
    });
    expect(await heard).toEqual([...Array.from({ length: 100 }, (_, nonce) => String(nonce)), 'all said']);
  });
});
