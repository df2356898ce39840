/** A request with every byte of its head as the test wants it: Host, Origin and paths that `fetch` would not send. */
import { request } from 'node:http';

export interface RawReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
}

export interface RawRequest {
  readonly port: number;
  readonly host?: string;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Resolves with the head when the body has no end (event streams): the connection is then cut. */
export function sendRaw({ port, host = '127.0.0.1', method = 'GET', path, headers = {}, body }: RawRequest): Promise<RawReply> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const outgoing = request({ host, port, method, path, headers: { ...length, ...headers }, agent: false }, (response) => {
      let text = '';
      const done = (): void => resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      const isStream = response.headers['content-length'] === undefined && response.statusCode === 200;
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (!isStream) return;
        done();
        outgoing.destroy();
      });
      response.on('close', done);
    });
    outgoing.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text: '' });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
