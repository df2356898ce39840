/** The processes of a running Ekiden by part, and the processor time that a piece of work costs each of them. */
import type { EkidenContender } from './ekiden-contender.js';
import { cpuMsOf, descendantsOf } from './processes.js';

export const PARTS = ['up', 'master', 'agent', 'api', 'postgres'] as const;
export type Part = (typeof PARTS)[number];

/** Pids of each part; Postgres with its backends. */
export function partsOf({ ekiden }: EkidenContender): Readonly<Record<Part, readonly number[]>> {
  const postgres = ekiden.parts('postgres');
  return {
    up: [ekiden.pid],
    master: ekiden.parts('master'),
    agent: ekiden.parts('agent'),
    api: ekiden.parts('api'),
    postgres: postgres.flatMap((pid) => [pid, ...descendantsOf(pid).map((child) => child.pid)]),
  };
}

/** Milliseconds of processor time of each part during `work`: they do not depend on how busy the machine is. */
export async function cpuOf<T>(who: EkidenContender, work: () => Promise<T>): Promise<{ readonly answer: T; readonly ms: Readonly<Record<Part, number>> }> {
  const parts = partsOf(who);
  const read = (part: Part): number => parts[part].reduce((sum, pid) => sum + cpuMsOf(pid), 0);
  const before = new Map(PARTS.map((part) => [part, read(part)]));
  const answer = await work();
  const spent = (part: Part): number => read(part) - (before.get(part) ?? 0);
  return { answer, ms: { up: spent('up'), master: spent('master'), agent: spent('agent'), api: spent('api'), postgres: spent('postgres') } };
}
