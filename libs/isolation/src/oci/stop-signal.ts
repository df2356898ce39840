/** The signal by which an image wants to be stopped, kept in the run directory, so that the next agent knows it too. */
import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';

const FILE = 'stop-signal';
const { SIGTERM } = constants.signals;
/** The first that programs may use, as the C library counts. */
const SIGRTMIN = 34;
const LAST_SIGNAL = 64;

/** `SIGQUIT`, `quit`, `3`, `SIGRTMIN+3`; empty: SIGTERM. Throws naming what is no signal. Pure. */
export function parseStopSignal(text: string): number {
  const name = text.trim().toUpperCase().replace(/^SIG/, '');
  if (name === '') return SIGTERM;
  const realTime = /^RTMIN(?:\+(\d{1,2}))?$/.exec(name);
  const named = Object.entries(constants.signals).find(([known]) => known === `SIG${name}`)?.[1];
  const number = realTime !== null ? SIGRTMIN + Number(realTime[1] ?? 0) : /^\d{1,2}$/.test(name) ? Number(name) : named;
  if (number === undefined || number < 1 || number > LAST_SIGNAL) throw new Error(`the image wants to be stopped by "${text}", which is no signal`);
  return number;
}

export function keepStopSignal(runDir: string, signal: number): void {
  if (signal !== SIGTERM) writeFileSync(join(runDir, FILE), String(signal), { mode: 0o600 });
}

/** SIGTERM for a task without a container, too. */
export function keptStopSignal(runDir: string): number {
  try {
    return parseStopSignal(readFileSync(join(runDir, FILE), 'utf8'));
  } catch {
    return SIGTERM; // There is none; or it cannot be read, and a stop has to go on.
  }
}
