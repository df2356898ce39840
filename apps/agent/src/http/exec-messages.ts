/**
 * What is said on the WebSocket of `…/exec`, subprotocol `ekiden.exec.v1`. Pure.
 *
 *   the client, text     {"type":"start","argv":[…],"input":true,"terminal":{"type":"xterm","columns":80,"rows":24} or null}    first, once
 *                        {"type":"resize","columns":100,"rows":30}    {"type":"end-of-input"}    {"type":"ack","bytes":N}
 *   the agent, text      {"type":"started","window":N}    {"type":"refused","message":"…"}    {"type":"ack","bytes":N}
 *                        {"type":"exit","code":7 or null,"signal":"SIGKILL" or null,"reason":"…" or null}                       last
 *   both, binary         a byte (0 input, 1 output, 2 errors), then bytes of that stream
 *
 * Neither side has more than `window` bytes under way that the other has not acknowledged: who has written them where they belong says
 * so (`ack`). So a slow end slows the other, and pings pass all the same. The command is in a message, since paths are logged by many.
 */
import type { TerminalOptions, TerminalSize } from '@ekiden/isolation';

export const EXEC_PROTOCOL = 'ekiden.exec.v1';
/** Unacknowledged bytes in each direction. */
export const WINDOW_BYTES = 256 * 1024;
/** A message of the client: a start has the whole command. */
export const MAX_MESSAGE_BYTES = 512 * 1024;
export const MAX_ARGUMENTS = 4_096;
/** The kernel keeps columns and rows in 16 bits; no screen is larger than this. */
export const MAX_TERMINAL_SIDE = 10_000;

export const CHANNELS = { input: 0, output: 1, errors: 2 } as const;

export interface StartMessage {
  readonly type: 'start';
  readonly argv: readonly string[];
  readonly input: boolean;
  readonly terminal: TerminalOptions | null;
}

export type ClientMessage =
  | StartMessage
  | ({ readonly type: 'resize' } & TerminalSize)
  | { readonly type: 'end-of-input' }
  | { readonly type: 'ack'; readonly bytes: number }
  /** What is wrong with it. */
  | { readonly type: 'wrong'; readonly why: string };

export type AgentMessage =
  | { readonly type: 'started'; readonly window: number }
  | { readonly type: 'refused'; readonly message: string }
  | { readonly type: 'ack'; readonly bytes: number }
  | { readonly type: 'exit'; readonly code: number | null; readonly signal: string | null; readonly reason: string | null };

const wrong = (why: string): ClientMessage => ({ type: 'wrong', why });

export function parseClientMessage(text: string): ClientMessage {
  const message = fields(parse(text));
  switch (message['type']) {
    case 'start':
      return parseStart(message);
    case 'resize': {
      const size = sizeOf(message);
      return typeof size === 'string' ? wrong(size) : { type: 'resize', ...size };
    }
    case 'end-of-input':
      return { type: 'end-of-input' };
    case 'ack': {
      const bytes = message['bytes'];
      return isInteger(bytes, 1, Number.MAX_SAFE_INTEGER) ? { type: 'ack', bytes } : wrong(`bytes is ${shown(bytes)}, but has to be a whole number from 1`);
    }
    default:
      return wrong(`type is ${shown(message['type'])}, but has to be start, resize, end-of-input or ack`);
  }
}

function parseStart({ argv, input, terminal }: Readonly<Record<string, unknown>>): ClientMessage {
  if (!Array.isArray(argv) || argv.length === 0 || argv.length > MAX_ARGUMENTS || !argv.every((word) => typeof word === 'string'))
    return wrong(`argv is ${shown(argv)}, but has to be a list of 1 to ${MAX_ARGUMENTS} texts`);
  if (typeof input !== 'boolean') return wrong(`input is ${shown(input)}, but has to be true or false`);
  if (terminal === null || terminal === undefined) return { type: 'start', argv, input, terminal: null };
  const asked = fields(terminal);
  const { type } = asked;
  if (typeof type !== 'string' || !/^[\w.+-]{1,64}$/.test(type))
    return wrong(`terminal.type is ${shown(type)}, but has to be the name of a terminal, such as xterm`);
  const size = sizeOf(asked);
  return typeof size === 'string' ? wrong(`terminal.${size}`) : { type: 'start', argv, input, terminal: { type, ...size } };
}

function sizeOf({ columns, rows }: Readonly<Record<string, unknown>>): TerminalSize | string {
  const range = `but has to be a whole number from 1 to ${MAX_TERMINAL_SIDE}`;
  if (!isInteger(columns, 1, MAX_TERMINAL_SIDE)) return `columns is ${shown(columns)}, ${range}`;
  return isInteger(rows, 1, MAX_TERMINAL_SIDE) ? { columns, rows } : `rows is ${shown(rows)}, ${range}`;
}

export const frame = (channel: number, bytes: Buffer): Buffer => Buffer.concat([Buffer.of(channel), bytes]);

const isInteger = (value: unknown, min: number, max: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
const fields = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null ? { ...value } : {});
const shown = (value: unknown): string => (JSON.stringify(value) ?? 'absent').slice(0, 60);

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // its type is absent then
  }
}
