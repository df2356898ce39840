/** Load by autocannon in a process of its own: it shares the machine with what is measured, and no event loop. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface Load {
  readonly perSecond: number;
  readonly p99Ms: number;
}

interface Report {
  readonly requests: { readonly average: number };
  readonly latency: { readonly p99: number };
  readonly non2xx: number;
  readonly errors: number;
}

/** Throws when a request has failed. */
export async function load(url: string, connections: number, seconds: number): Promise<Load> {
  const args = ['node_modules/autocannon/autocannon.js', '--json', '--no-progress', '-c', `${connections}`, '-d', `${seconds}`, url];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 16 * 1024 * 1024 });
  const { requests, latency, non2xx, errors } = JSON.parse(stdout) as Report;
  if (non2xx + errors > 0) throw new Error(`${url}: ${non2xx} answers of another status, ${errors} errors`);
  return { perSecond: requests.average, p99Ms: latency.p99 };
}
