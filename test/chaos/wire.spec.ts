/** A wire carries everything when it is left alone, and nothing, late or half of it when it is disturbed. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { Wire } from './wire.js';

let server: Server;
let wire: Wire;
let far: Promise<Socket>;
let near: Socket;

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true });
  far = once(server, 'connection').then(([socket]) => {
    (socket as Socket).on('error', () => undefined);
    return socket as Socket;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  wire = await Wire.open('a→b', { host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  near = connect({ port: wire.port, host: '127.0.0.1', allowHalfOpen: true });
  near.on('error', () => undefined);
});
afterEach(async () => {
  near.destroy();
  (await far).destroy();
  await wire.close();
  server.close();
});

const hears = async (socket: Socket): Promise<string> => String((await once(socket, 'data'))[0]);

it('carries both ways, and renames what a redirect names', async () => {
  wire.rename([['10.0.0.1:5050', '127.0.0.1:6060']]);
  near.write('ask');
  expect(await hears(await far)).toBe('ask');
  (await far).write('HTTP/1.1 307 Temporary Redirect\r\nlocation: //10.0.0.1:5050/\r\n\r\n');
  expect(await hears(near)).toContain('//127.0.0.1:6060/');
});

it('loses nothing that it has held back', async () => {
  near.write('before');
  expect(await hears(await far)).toBe('before');
  let heard = '';
  (await far).on('data', (bytes: Buffer) => (heard += bytes.toString()));
  wire.disturb('stall-up');
  near.write('held');
  (await far).write('down is free');
  expect(await hears(near)).toBe('down is free');
  expect(heard).toBe('');
  const coming = hears(await far);
  wire.heal();
  expect(await coming).toBe('held');
});

it('breaks what stands, refuses what comes, and is whole again', async () => {
  near.write('x');
  await hears(await far);
  const broken = new Promise((resolve) => near.once('close', resolve));
  wire.disturb('cut');
  await broken;
  const refused = connect({ port: wire.port, host: '127.0.0.1' });
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
  wire.heal();
  const again = connect({ port: wire.port, host: '127.0.0.1' });
  again.on('error', () => undefined);
  again.write('y');
  const [second] = (await once(server, 'connection')) as [Socket];
  second.on('error', () => undefined);
  expect(await hears(second)).toBe('y');
  again.destroy();
});

it('ends one side alone', async () => {
  near.write('x');
  await hears(await far);
  const ended = once(await far, 'end');
  wire.disturb('half-close');
  await ended;
  (await far).write('still heard');
  expect(await hears(near)).toBe('still heard');
});

it('forgets what stands, for ever, and carries what comes', async () => {
  near.write('x');
  const old = await far;
  await hears(old);
  let heard = '';
  old.on('data', (bytes: Buffer) => (heard += bytes.toString()));
  wire.disturb('forget');
  near.write('nobody hears this');
  wire.heal();
  const again = connect({ port: wire.port, host: '127.0.0.1' });
  again.on('error', () => undefined);
  again.write('y');
  const [second] = (await once(server, 'connection')) as [Socket];
  second.on('error', () => undefined);
  expect(await hears(second)).toBe('y');
  expect(heard).toBe('');
  again.destroy();
});
