/** A stand-in for the API: answers by `METHOD path`, remembers what was asked. For tests of commands. */
import { createServer, type Server } from 'node:http';

export interface FakeApi {
  readonly url: string;
  readonly asked: { readonly call: string; readonly body: unknown }[];
  close(): Promise<void>;
}

export type FakeAnswer =
  | { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly body: unknown }
  /** A stream that ends after these. */
  | { readonly events: string };

/** Several answers of one call come in turn, the last one for good. What is not listed is a 404. */
export async function fakeApi(answers: Readonly<Record<string, FakeAnswer | readonly FakeAnswer[]>>): Promise<FakeApi> {
  const asked: FakeApi['asked'] = [];
  const turns = new Map<string, number>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const call = `${request.method} ${request.url}`;
      asked.push({ call, body: text === '' ? null : JSON.parse(text) });
      const listed = answers[call];
      const list = listed === undefined ? [] : 'body' in listed || 'events' in listed ? [listed] : listed;
      const turn = turns.get(call) ?? 0;
      turns.set(call, turn + 1);
      const answer = list[Math.min(turn, list.length - 1)] ?? { status: 404, body: { message: `nothing at ${call}`, details: [] } };
      if ('events' in answer) return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(answer.events);
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers });
      return void response.end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    asked,
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))),
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
