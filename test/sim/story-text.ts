/** Times, ids and long lines, made short for a story. */
import { SIM_EPOCH } from './world/virtual-clock.js';

const MAX_WIDTH = 160;
/** Of one text. */
const MAX_WRAPPED_LINES = 6;
const INDENT = 2;
const SECOND_WIDTH = 6;

/** `+3:07.250`: minutes and seconds since `began`. */
export function relative(at: number, began: number): string {
  const ms = at - began;
  const size = Math.abs(ms);
  return `${ms < 0 ? '-' : '+'}${Math.floor(size / 60_000)}:${((size % 60_000) / 1000).toFixed(3).padStart(SECOND_WIDTH, '0')}`;
}

/** Virtual times in it become relative, uuids short; it is cut at the width of a line that `used` columns are taken of. */
export function inShort(text: string, began: number, used = INDENT): string {
  const short = readable(text, began);
  const width = MAX_WIDTH - used;
  return short.length <= width ? short : `${short.slice(0, width - 1)}…`;
}

/** The same, wrapped instead of cut; further lines are indented by `indent`. Cut only after many lines. */
export function wrapped(text: string, began: number, indent: number): string[] {
  const short = readable(text, began);
  const lines = [short.slice(0, MAX_WIDTH)];
  const width = MAX_WIDTH - indent;
  for (let at = MAX_WIDTH; at < short.length && lines.length < MAX_WRAPPED_LINES; at += width) lines.push(' '.repeat(indent) + short.slice(at, at + width));
  return lines;
}

const readable = (text: string, began: number): string =>
  text
    .replaceAll(/\b17672\d{8}\b/g, (epochMs) => relative(Number(epochMs), began))
    .replaceAll(/"?\b2026-01-\d\dT[\d:.]+Z"?/g, (iso) => relative(Date.parse(iso.replaceAll('"', '')), began))
    .replaceAll(/\b0{8}-0000-1000-8000-0*([0-9a-f]+)/g, '~$1');

/** The first virtual day: what the patterns above look for. */
if (!String(SIM_EPOCH).startsWith('17672')) throw new Error('story-text.ts knows another epoch');
