/** What counts as this machine talking to itself, and the rule that nothing else is bound without a token (decision 19). */
import { OptionError } from './options.js';

const LOOPBACK_V4 = /^127\.(?:\d{1,3})\.(?:\d{1,3})\.(?:\d{1,3})$/;

/** A name in a URL or Host header: `localhost`, 127.0.0.0/8 or `[::1]`. `127.0.0.1.example.com` is none. */
export const isLoopbackName = (name: string): boolean => name === 'localhost' || name === '[::1]' || LOOPBACK_V4.test(name);

/** The address of a socket's other end: `127.x.y.z`, `::1` or `::ffff:127.x.y.z`. */
export const isLoopbackAddress = (address: string): boolean => address === '::1' || LOOPBACK_V4.test(address.replace(/^::ffff:/i, ''));

/** Throws `OptionError` when another address than loopback would be bound without a token. */
export function assertBindable(bindAddress: string, tokens: readonly string[]): void {
  if (tokens.length > 0 || bindAddress === 'localhost' || isLoopbackAddress(bindAddress.replace(/^\[|\]$/g, ''))) return;
  throw new OptionError(`${bindAddress} can be reached from other machines and is bound only with a token: give --token-file, or bind 127.0.0.1`);
}
