/** The WebSocket of exec: who is let in, what is passed on, what is bounded, what is written down. The command itself is played. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import type { ExecSpec, ProcessEnd, TaskProcess, TerminalSize } from '@ekiden/isolation';
import { taskId, type Log } from '@ekiden/model';
import { WebSocket } from 'ws';
import type { Entrance } from '../tasks/enter-task.js';
import { EXEC_PROTOCOL, WINDOW_BYTES, parseClientMessage } from './exec-messages.js';
import { openExecSessions, type ExecSessions } from './exec-sessions.js';

const TOKEN = 'a-token-of-the-cluster';

/** A command that does what the test says. */
class Played implements TaskProcess {
  readonly input = new PassThrough();
  readonly errors = new PassThrough();
  readonly sizes: TerminalSize[] = [];
  killed = 0;
  finish: (end: ProcessEnd) => void = () => undefined;
  readonly ended = new Promise<ProcessEnd>((resolve) => (this.finish = resolve));
  constructor(readonly output: Readable = new PassThrough()) {}
  resize(size: TerminalSize): void {
    this.sizes.push(size);
  }
  kill(): void {
    this.killed += 1;
    this.end({ code: null, signal: 'SIGKILL' });
  }
  end(end: ProcessEnd): void {
    if (this.output instanceof PassThrough) this.output.end();
    else this.output.destroy();
    this.errors.end();
    this.finish(end);
  }
}

class Client {
  readonly said: { type: string; [field: string]: unknown }[] = [];
  readonly heard: Buffer[] = [];
  acknowledges = true;
  closed: number | null = null;
  constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) return void this.said.push(JSON.parse(data.toString()));
      this.heard.push(data);
      if (this.acknowledges) this.say({ type: 'ack', bytes: data.length - 1 });
    });
    socket.on('close', (code) => (this.closed = code));
  }
  say(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }
  start(more: object = {}): void {
    this.say({ type: 'start', argv: ['tool', '--password=hunter2'], input: true, terminal: null, ...more });
  }
  text = (channel: number): string => Buffer.concat(this.heard.filter((data) => data[0] === channel).map((data) => data.subarray(1))).toString();
  bytes = (): number => this.heard.reduce((sum, data) => sum + data.length - 1, 0);
}

let server: Server;
let sessions: ExecSessions;
let entrance: Entrance;
let played: Played;
let asked: ExecSpec[];
let log: { event: string; fields: Readonly<Record<string, unknown>> }[];
const clients: WebSocket[] = [];

const until = async (what: string, condition: () => boolean): Promise<void> => {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
};

beforeEach(async () => {
  played = new Played();
  asked = [];
  log = [];
  entrance = {
    kind: 'open',
    specOf: (command) => ({ taskId: taskId('t1'), sandbox: '/s', env: {}, user: null, ...command }),
  };
  const note = (event: string, fields: Readonly<Record<string, unknown>> = {}): void => void log.push({ event, fields });
  const noting: Log = { debug: note, info: note, warn: note, error: note };
  server = createServer();
  sessions = openExecSessions(server, {
    policy: { allowedHosts: [], tokens: [TOKEN], contentTypes: [], openPaths: [] },
    log: noting,
    runtime: { exec: (spec) => (asked.push(spec), Promise.resolve(played)) },
    entrance: (id) => (id === 't1' ? entrance : { kind: 'unknown' }),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  sessions.close();
  await new Promise((resolve) => server.close(resolve));
});

interface Knock {
  readonly path?: string;
  readonly protocol?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const connect = ({ path = '/ekiden/v1/tasks/t1/exec', protocol = EXEC_PROTOCOL, headers = {} }: Knock = {}): WebSocket => {
  const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, protocol, {
    headers: { authorization: `Bearer ${TOKEN}`, 'x-ekiden-for': 'token 2 from 10.0.0.9', ...headers },
  });
  clients.push(socket);
  socket.on('error', () => undefined);
  return socket;
};
const open = async (): Promise<Client> => {
  const client = new Client(connect());
  await new Promise((resolve) => client.socket.on('open', resolve));
  return client;
};
const refusal = (knock: Knock): Promise<number | undefined> =>
  new Promise((resolve) => connect(knock).on('unexpected-response', (_, response) => resolve(response.statusCode)));

it('lets in whoever has the token, from no page of a browser, into a task that runs', async () => {
  expect(await refusal({ headers: { authorization: 'Bearer wrong' } })).toBe(401);
  expect(await refusal({ headers: { origin: 'http://evil.example' } })).toBe(403);
  expect(await refusal({ headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } })).toBe(403);
  expect(await refusal({ protocol: 'another' })).toBe(400);
  expect(await refusal({ path: '/ekiden/v1/tasks/t2/exec' })).toBe(404);
  expect(await refusal({ path: '/ekiden/v1/tasks/..%2Ft1/exec' })).toBe(400);
  expect(await refusal({ path: '/ekiden/v1/tasks' })).toBe(404);
  entrance = { kind: 'not-running', stage: 'launching' };
  expect(await refusal({})).toBe(409);
  expect(asked).toEqual([]);
  expect(log.filter(({ event }) => event === 'exec-refused')).toHaveLength(8);
});

it('passes bytes both ways, and the exit status when all of them have come', async () => {
  const client = await open();
  client.start();
  await until('started', () => client.said.length > 0);
  expect(client.said[0]).toEqual({ type: 'started', window: WINDOW_BYTES });
  client.socket.send(Buffer.from('\0in'));
  client.say({ type: 'end-of-input' });
  let read = '';
  for await (const chunk of played.input) read += String(chunk);
  expect(read).toBe('in');
  played.output.push('out');
  played.errors.push('bad');
  played.end({ code: 7, signal: null });
  await until('closed', () => client.closed !== null);
  expect([client.text(1), client.text(2), client.said.at(-1), client.closed]).toEqual([
    'out',
    'bad',
    { type: 'exit', code: 7, signal: null, reason: null },
    1000,
  ]);
  expect(client.said).toContainEqual({ type: 'ack', bytes: 2 });
  expect(asked).toMatchObject([{ taskId: 't1', argv: ['tool', '--password=hunter2'], io: 'pipes' }]);
});

it('writes down who ran what, without its arguments, and how it ended', async () => {
  const client = await open();
  client.start();
  await until('started', () => client.said.length > 0);
  played.end({ code: 0, signal: null });
  await until('the log has its end', () => log.some(({ event }) => event === 'exec-ended'));
  const by = 'token 2 from 10.0.0.9, by 127.0.0.1';
  expect(log.map(({ event, fields }) => [event, fields])).toMatchObject([
    ['exec-begins', { taskId: 't1', by, program: 'tool', words: 2, terminal: false }],
    ['exec-ended', { taskId: 't1', by, code: 0, signal: null }],
  ]);
  expect(JSON.stringify(log)).not.toContain('hunter2');
});

it('has a terminal that is resized', async () => {
  const client = await open();
  client.start({ terminal: { type: 'xterm', columns: 80, rows: 24 } });
  await until('started', () => client.said.length > 0);
  client.say({ type: 'resize', columns: 100, rows: 30 });
  await until('resized', () => played.sizes.length === 1);
  expect(played.sizes).toMatchObject([{ columns: 100, rows: 30 }]);
  expect(asked[0]?.io).toEqual({ type: 'xterm', columns: 80, rows: 24 });
});

it('stops a command whose client does not read, and goes on when it does', async () => {
  let made = 0;
  played = new Played(new Readable({ read: function () { made += 65_536; this.push(Buffer.alloc(65_536)); } })); // prettier-ignore
  const client = await open();
  client.acknowledges = false;
  client.start();
  await until('a window', () => client.bytes() >= WINDOW_BYTES);
  await until('it stands', () => played.output.isPaused());
  const before = made;
  expect(client.bytes()).toBeLessThan(WINDOW_BYTES + 65_536 + 1);
  client.say({ type: 'ack', bytes: client.bytes() });
  await until('more', () => made > before && client.bytes() > WINDOW_BYTES);
});

it('ends the command when its client goes away, and when it breaks the protocol', async () => {
  const gone = await open();
  gone.start();
  await until('started', () => gone.said.length > 0);
  gone.socket.terminate();
  await until('killed', () => played.killed > 0);
  for (const breach of [
    (client: Client) => client.say({ type: 'ack', bytes: 1 }),
    (client: Client) => client.say({ type: 'start', argv: ['x'], input: false }),
    (client: Client) => client.say({ type: 'fly' }),
    (client: Client) => client.socket.send(Buffer.from('\u0001forged output')),
    (client: Client) => client.socket.send(Buffer.alloc(WINDOW_BYTES + 2)),
  ]) {
    played = new Played();
    const client = await open();
    client.start();
    await until('started', () => client.said.length > 0);
    breach(client);
    await until('cut', () => client.closed !== null && played.killed > 0);
    expect(client.closed).toBe(1008);
  }
});

it('says why a command was not started, and that its task has ended', async () => {
  const refused = await open();
  refused.say({ type: 'start', argv: [], input: true });
  await until('cut', () => refused.closed !== null);
  expect(refused.closed).toBe(1008);
  const client = await open();
  client.start();
  await until('started', () => client.said.length > 0);
  entrance = { kind: 'not-running', stage: 'ended' };
  played.kill();
  await until('closed', () => client.closed !== null);
  expect(client.said.at(-1)).toEqual({ type: 'exit', code: null, signal: 'SIGKILL', reason: 'the task has ended' });
});

describe('a message', () => {
  it.each([
    ['{', 'type is absent'],
    ['{"type":"start","argv":"ls","input":true}', 'argv is "ls"'],
    ['{"type":"start","argv":["ls"]}', 'input is absent'],
    ['{"type":"start","argv":["ls"],"input":true,"terminal":{"type":"x; rm","columns":1,"rows":1}}', 'terminal.type'],
    ['{"type":"start","argv":["ls"],"input":true,"terminal":{"type":"xterm","columns":0,"rows":1}}', 'terminal.columns is 0'],
    ['{"type":"resize","columns":1,"rows":1.5}', 'rows is 1.5'],
    ['{"type":"ack","bytes":-1}', 'bytes is -1'],
  ])('%s is refused: %s', (text, why) => expect(parseClientMessage(text)).toMatchObject({ type: 'wrong', why: expect.stringContaining(why) }));
});
