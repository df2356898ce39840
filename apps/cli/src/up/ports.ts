/** Asks the system about ports: can one be bound, which are listened on, and which blocks of task ports are other Ekidens'. */
import { readFileSync } from 'node:fs';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { CliError, systemErrorCode } from '../cli-error.js';
import { candidateBlocks, type PortRange } from './port-plan.js';

/** Null when free, else the system's code: EADDRINUSE, EADDRNOTAVAIL, EACCES. */
export async function probePort(host: string, port: number): Promise<string | null> {
  const result = await listen({ host, port, exclusive: true });
  if (typeof result === 'string') return result;
  await close(result);
  return null;
}

export async function freePort(): Promise<number> {
  const server = await listen({ host: '127.0.0.1', port: 0 });
  if (typeof server === 'string') throw new CliError(`cannot listen on 127.0.0.1 (${server})`, 'is the loopback interface up?');
  const address = server.address();
  await close(server);
  if (typeof address !== 'object' || address === null) throw new CliError('the system gave no port');
  return address.port;
}

/** A line for a port that cannot be had: which, through which option it is changed, and how to find who has it. */
export function portRefusal(host: string, port: number, option: string, code: string): CliError {
  switch (code) {
    case 'EADDRINUSE':
      return new CliError(
        `port ${port} on ${host} is in use`,
        `choose another with ${option}, or find who has it: ${process.platform === 'darwin' ? `lsof -nP -iTCP:${port} -sTCP:LISTEN` : `ss -ltnp 'sport = :${port}'`}`,
      );
    case 'EACCES':
      return new CliError(`this user may not listen on port ${port}`, `choose one above 1023 with ${option}`);
    default:
      return new CliError(`cannot listen on ${host}:${port} (${code})`, `choose another with ${option} or --bind`);
  }
}

/** Ports with a listener, as far as the system tells. */
export function listeningPorts(): ReadonlySet<number> {
  return new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => parseListeners(readOrNothing(file))));
}

/** Reads the kernel's table: column 2 is `address:PORT` in hexadecimal, column 4 `0A` for a listener. */
export function parseListeners(table: string): readonly number[] {
  return table.split('\n').flatMap((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    const port = parseInt(local?.split(':')[1] ?? '', 16);
    return state === '0A' && port > 0 ? [port] : [];
  });
}

/** From which the kernel takes the ports of outgoing connections. Null where it does not say. */
function ephemeralPorts(): PortRange | null {
  const [first = NaN, last = NaN] = readOrNothing('/proc/sys/net/ipv4/ip_local_port_range').trim().split(/\s+/).map(Number);
  return first > 0 && last >= first ? { first, last } : null;
}

export interface BlockClaim {
  /** First ports. */
  readonly blocks: readonly number[];
  release(): void;
}

/**
 * Claims blocks of task ports against other Ekidens on this machine. On Linux a claim is a name in the abstract socket
 * namespace: nobody else can have it, and it is gone with this process.
 */
export async function claimBlocks(count: number, saved: readonly number[]): Promise<BlockClaim> {
  const held: Server[] = [];
  const blocks: number[] = [];
  for (const begin of candidateBlocks(saved, listeningPorts(), ephemeralPorts())) {
    if (blocks.length === count) break;
    if (process.platform === 'linux') {
      const claim = await listen({ path: `\0ekiden-task-ports-${begin}` });
      if (typeof claim === 'string') continue;
      held.push(claim.unref());
    }
    blocks.push(begin);
  }
  const release = (): void => held.forEach((server) => server.close());
  if (blocks.length === count) return { blocks, release };
  release();
  throw new CliError(`only ${blocks.length} blocks of 1000 task ports are free, ${count} are needed`, 'start fewer agents with --agents');
}

function listen(where: ListenOptions): Promise<Server | string> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => resolve(systemErrorCode(error) ?? 'error'));
    server.listen(where, () => resolve(server));
  });
}

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // not Linux, or no IPv6
  }
}
