/**
 * One life for all members of a pod, as Mesos' default executor has it. Pure.
 *
 * A member that ends well leaves the others to their work. One that fails, is killed, or cannot be started ends all of them: what is left
 * would wait for it in vain. The pod is over when the last process of the last member is gone.
 */
import type { TaskExit } from '../runtime.js';

export type MemberState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'running' }
  | { readonly kind: 'ended'; readonly exit: TaskExit }
  /** It never ran, nor will it. */
  | { readonly kind: 'not-started'; readonly why: string };

export interface JudgedMember {
  readonly name: string;
  readonly state: MemberState;
}

/** `over` needs no stop any more; `why` as in `PodExit`. */
export type PodVerdict = { readonly kind: 'lives' } | { readonly kind: 'stop' | 'over'; readonly why: string };

/** `stopping`: why it is being stopped; empty: it was asked for; null: it is not. The first reason is the pod's. */
export function judgePod(members: readonly JudgedMember[], stopping: string | null): PodVerdict {
  const why = stopping ?? members.map(whyItEndsAll).find((reason) => reason !== null) ?? null;
  const isOver = members.every(({ state }) => state.kind === 'ended' || state.kind === 'not-started');
  // Those that wait are not started any more once it ends.
  if (isOver || (why !== null && members.every(({ state }) => state.kind !== 'running'))) return { kind: 'over', why: why ?? '' };
  return why === null ? { kind: 'lives' } : { kind: 'stop', why };
}

function whyItEndsAll({ name, state }: JudgedMember): string | null {
  if (state.kind === 'not-started') return `member "${name}" was not started: ${state.why}`;
  if (state.kind !== 'ended') return null;
  const { code, signal, lost, oomKilled } = state.exit;
  if (lost !== null) return `member "${name}" was lost: ${lost}`;
  if (oomKilled) return `member "${name}" ran out of memory`;
  if (signal !== null) return `member "${name}" was ended by ${signal}`;
  return code === 0 ? null : `member "${name}" exited with status ${String(code)}`;
}
