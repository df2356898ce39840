/** A body that is too large is refused while it is still being sent, and the client has time to read that. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { openBench, type HttpBench } from './http-bench.js';

const MIB = 1024 * 1024;
const CHUNK = Buffer.concat([Buffer.from(`${MIB.toString(16)}\r\n`), Buffer.alloc(MIB, 'x'), Buffer.from('\r\n')]);

let bench: HttpBench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

it('answers before the body ends, goes on reading, and hangs up when it has ended', async () => {
  const { hostname, port, host } = new URL(bench.url);
  const client = connect({ host: hostname, port: Number(port) });
  client.write(`POST /v2/apps HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`);
  for (let sent = 0; sent < 5; sent++) client.write(CHUNK);

  let answer = '';
  client.setEncoding('utf8').on('data', (text: string) => (answer += text));
  while (!answer.endsWith('}')) await once(client, 'data');
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toMatch(/\r\nconnection: close\r\n/i);
  expect(answer).toContain('{"message":"the body is larger than 4194304 bytes');

  // Would be reset here, if the answer had been the end.
  for (let sent = 0; sent < 5; sent++) await new Promise((resolve) => client.write(CHUNK, resolve));
  client.write('0\r\n\r\n');
  await once(client, 'end');
  client.destroy();
});
