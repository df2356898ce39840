/** `GET /ping` answers by what the client accepts (Marathon: 6.11). */
export interface PingAnswer {
  readonly status: 200 | 204;
  readonly contentType: string | null;
  readonly body: string;
}

export function pingAnswer(accept: string | null): PingAnswer {
  const types = (accept ?? '*/*').split(',').map((type) => (type.split(';')[0] ?? '').trim().toLowerCase());
  if (types.some((type) => type === '*/*' || type === 'text/*' || type === 'text/plain' || type === '')) {
    return { status: 200, contentType: 'text/plain', body: 'pong' };
  }
  if (types.includes('text/html')) return { status: 200, contentType: 'text/html', body: 'pong' };
  if (types.some((type) => type === 'application/json' || type === 'application/*')) return { status: 200, contentType: 'application/json', body: '"pong"' };
  return { status: 204, contentType: null, body: '' };
}
