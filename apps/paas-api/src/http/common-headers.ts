/** Sent with every answer (Marathon: 1.1). */
import type { Rim } from './rim.js';

export function commonHeaders(rim: Rim, isLeading = rim.api.isLeading): Readonly<Record<string, string>> {
  return {
    'cache-control': 'no-cache, no-store, must-revalidate',
    pragma: 'no-cache',
    expires: '0',
    'x-frame-options': 'DENY',
    'x-xss-protection': '1; mode=block',
    'x-content-type-options': 'nosniff',
    ...(isLeading ? { 'x-marathon-leader': `http://${rim.config.address}` } : {}),
  };
}
