/** Asks the kernel whether ports of this machine are free, by binding each for an instant: on all addresses, IPv4 and IPv6. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { HostPort, HostPorts } from './agent-ports.js';
import { errorCode } from './error-code.js';

export const systemHostPorts: HostPorts = {
  taken: async (wanted) => {
    const answers = await Promise.all(wanted.map(async (one) => ((await isTaken(one)) ? [one] : [])));
    return answers.flat();
  },
};

/** A machine without IPv6 has only the other. Any error but "in use" says nothing about strangers (port 80 without the right to it). */
async function isTaken({ port, protocol }: HostPort): Promise<boolean> {
  const bind = protocol === 'udp' ? bindUdp : bindTcp;
  const onAll = await bind(port, true);
  const code = onAll === null || onAll === 'EADDRINUSE' ? onAll : await bind(port, false);
  return code === 'EADDRINUSE';
}

/** Null when it could be bound, otherwise the code of the error. */
function bindTcp(port: number, ipv6: boolean): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', (error) => resolve(errorCode(error) ?? 'UNKNOWN'));
    server.listen({ port, host: ipv6 ? '::' : '0.0.0.0', exclusive: true, backlog: 1 }, () => server.close(() => resolve(null)));
  });
}

function bindUdp(port: number, ipv6: boolean): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket(ipv6 ? 'udp6' : 'udp4');
    socket.on('error', (error) => {
      socket.close();
      resolve(errorCode(error) ?? 'UNKNOWN');
    });
    socket.bind({ port, address: ipv6 ? '::' : '0.0.0.0', exclusive: true }, () => socket.close(() => resolve(null)));
  });
}
