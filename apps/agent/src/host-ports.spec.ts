import { createSocket } from 'node:dgram';
import { createServer, type AddressInfo } from 'node:net';
import { systemHostPorts } from './host-ports.js';

it.each(['127.0.0.1', '0.0.0.0', '::1', '::'])('sees a stranger at %s, and nobody once it has gone', async (host) => {
  const stranger = createServer();
  await new Promise<void>((resolve) => stranger.listen(0, host, resolve));
  const { port } = stranger.address() as AddressInfo;
  expect(await systemHostPorts.taken([{ port, protocol: 'tcp' }])).toEqual([{ port, protocol: 'tcp' }]);
  await new Promise((resolve) => stranger.close(resolve));
  expect(await systemHostPorts.taken([{ port, protocol: 'tcp' }])).toEqual([]);
});

it('tells UDP from TCP', async () => {
  const stranger = createSocket('udp4');
  await new Promise<void>((resolve) => stranger.bind(0, '127.0.0.1', resolve));
  const { port } = stranger.address();
  expect(await systemHostPorts.taken([{ port, protocol: 'udp' }])).toEqual([{ port, protocol: 'udp' }]);
  expect(await systemHostPorts.taken([{ port, protocol: 'tcp' }])).toEqual([]);
  stranger.close();
});
