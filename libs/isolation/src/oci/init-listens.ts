/**
 * Whether a container's first process hears a signal by now.
 *
 * A process that is number 1 ignores every signal that it does nothing about, and tini needs a moment until it passes them on: one that
 * came before would be lost, and the task would wait for its SIGKILL. Tini is ready before it forks the command, and the command can be
 * reached once it leads a process group. (What tini blocks says nothing: while it waits for signals, nothing is shown as blocked.)
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readProcFile, readStat } from '../proc.js';
import { ENTER_FILE } from './plan-container.js';

const INIT_NAME = /^Name:\s*init$/m;

/** `pid`: the task's first process, which is the container runtime. True for a task without a container. */
export function initListens(runDir: string, pid: number): boolean {
  if (!existsSync(join(runDir, ENTER_FILE))) return true;
  // The runtime's own child has another name until it has become the init.
  const inits = childrenOf(pid).filter((child) => INIT_NAME.test(readProcFile(`/proc/${child}/status`) ?? ''));
  return inits.some((init) => childrenOf(init).some((command) => readStat(command)?.pgrp === command));
}

/** Of all its threads: a program in Go forks from any of them. */
const childrenOf = (pid: number): readonly number[] =>
  threadsOf(pid)
    .flatMap((thread) => (readProcFile(`/proc/${pid}/task/${thread}/children`) ?? '').split(' '))
    .filter((child) => child !== '')
    .map(Number);

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // It has ended.
  }
}
