import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sendPaced, type Pace, type PacedEnd } from './paced-stream.js';

const PACE: Pace = { heartbeat: ':\n\n', heartbeatMs: 60_000, stallMs: 60_000 };
const PIECE = Buffer.alloc(64 * 1024, 'x');

let server: Server;
let ended: Promise<PacedEnd>;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** The answer of a server that sends these frames; nothing of it is read yet. */
async function answerWith(frames: (gone: AbortSignal, response: ServerResponse) => AsyncIterable<string | Buffer>, pace: Partial<Pace> = {}) {
  let settle: (end: Promise<PacedEnd>) => void;
  ended = new Promise((resolve) => (settle = resolve));
  ended.catch(() => undefined);
  server = createServer((_request, response) => {
    response.flushHeaders();
    settle(sendPaced(response, (gone) => frames(gone, response), { ...PACE, ...pace }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new Promise<IncomingMessage>((resolve, reject) => {
    get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', agent: false }, resolve).on('error', reject);
  });
}

const untilGone = (gone: AbortSignal): Promise<void> => new Promise((resolve) => gone.addEventListener('abort', () => resolve()));

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  return text;
}

describe('a paced stream', () => {
  it('sends everything in order, however much it is, and ends', async () => {
    const answer = await answerWith(async function* () {
      for (let at = 0; at < 100; at += 1) yield PIECE;
      yield 'the end';
    });
    const text = await textOf(answer);
    expect([text.length, text.slice(-7), await ended]).toEqual([100 * PIECE.length + 7, 'the end', 'sent']);
  });

  it('makes nothing for a client that does not read, and cuts it off', async () => {
    let made = 0;
    let unsent = 0;
    const answer = await answerWith(
      async function* (_gone, response) {
        for (;;) {
          made += 1;
          unsent = Math.max(unsent, response.writableLength);
          yield PIECE;
        }
      },
      { stallMs: 100 },
    );
    expect(await ended).toBe('stalled');
    const atTheEnd = made;
    answer.destroy();
    // What the kernel takes on both sides is its business; here never more than a piece waits.
    expect(unsent).toBeLessThan(2 * PIECE.length);
    expect(made).toBe(atTheEnd);
  });

  it('tells the frames when the client has left', async () => {
    const answer = await answerWith(async function* (gone) {
      yield 'hello';
      await untilGone(gone);
    });
    answer.once('data', () => answer.destroy());
    expect(await ended).toBe('left');
  });

  it('lives on heartbeats while there is nothing to send', async () => {
    const answer = await answerWith(
      async function* (gone) {
        yield 'hello';
        await untilGone(gone);
      },
      { heartbeatMs: 5 },
    );
    let text = '';
    for await (const chunk of answer) {
      text += String(chunk);
      if (text.endsWith(':\n\n:\n\n')) break;
    }
    expect(text.startsWith('hello:\n\n:\n\n')).toBe(true);
    expect(await ended).toBe('left');
  });

  it('breaks off visibly when the frames fail', async () => {
    const answer = await answerWith(async function* () {
      yield 'hello';
      throw new Error('the disk is gone');
    });
    await expect(textOf(answer)).rejects.toThrow('aborted');
    await expect(ended).rejects.toThrow('the disk is gone');
  });
});
