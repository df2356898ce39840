import type { LogChunk } from '@ekiden/isolation';
import type { LogEvent } from '@ekiden/service';
import { followLog, LOG_PIECE_BYTES, type FollowedLog } from './follow-log.js';

const NEVER = new AbortController().signal;

/** A log that is written by a list of steps, one each time that the follower has seen all; then the task is over. */
function aLog(...steps: readonly ((log: FakeLog) => void)[]): FollowedLog {
  const log = new FakeLog();
  const left = [...steps];
  left.shift()?.(log);
  return {
    read: async (offset, length) => log.read(offset, length),
    isOver: () => left.length === 0,
    keptUntil: async () => 'tomorrow',
    changed: async () => left.shift()?.(log),
  };
}

class FakeLog {
  begin = 0;
  text: Buffer | null = Buffer.alloc(0);

  write(text: string | Buffer): void {
    this.text = Buffer.concat([this.text ?? Buffer.alloc(0), Buffer.from(text)]);
  }

  read(offset: number, length: number): LogChunk {
    const end = this.begin + (this.text?.length ?? -this.begin);
    const wanted = offset < 0 ? Math.max(this.begin, end + offset) : offset;
    const from = this.text === null ? 0 : wanted > end ? this.begin : Math.max(wanted, this.begin);
    const data = this.text?.subarray(from - this.begin, from - this.begin + length) ?? Buffer.alloc(0);
    return { offset: from, data, begin: this.begin, end, isMissing: this.text === null };
  }
}

const wrote = (text: string | Buffer) => (log: FakeLog) => log.write(text);
const nothing = (): void => undefined;

async function follow(log: FollowedLog, offset = 0): Promise<unknown[]> {
  const seen: unknown[] = [];
  const tell = (event: LogEvent): unknown => (event.kind === 'log' ? [event.offset, event.bytes.toString()] : event);
  for await (const event of followLog(log, offset, NEVER)) seen.push(tell(event));
  return seen;
}
const end = (offset: number): LogEvent => ({ kind: 'end', offset, keptUntil: 'tomorrow' });

describe('following a log', () => {
  it('tells what is there, what comes, and the end', async () => {
    expect(await follow(aLog(wrote('one\n'), wrote('two\n'), nothing))).toEqual([[0, 'one\n'], [4, 'two\n'], end(8)]);
  });

  it('tells what was written just before the end', async () => {
    expect(await follow(aLog(wrote('one\n'), wrote('two\n')))).toEqual([[0, 'one\n'], [4, 'two\n'], end(8)]);
  });

  it('begins where it is asked to, also from the end', async () => {
    expect(await follow(aLog(wrote('0123456789'), nothing), 4)).toEqual([[4, '456789'], end(10)]);
    expect(await follow(aLog(wrote('0123456789'), nothing), -3)).toEqual([[7, '789'], end(10)]);
    expect(await follow(aLog(wrote('0123456789'), nothing), 10)).toEqual([end(10)]);
  });

  it('waits for a log that is not there yet, and stays where it is when the task has taken it away', async () => {
    const isMissing = (log: FakeLog): void => void (log.text = null);
    expect(await follow(aLog(isMissing, wrote('one'), nothing))).toEqual([[0, 'one'], end(3)]);
    expect(await follow(aLog(wrote('one'), isMissing, wrote('one, two'), nothing))).toEqual([[0, 'one'], [3, ', two'], end(8)]);
    expect(await follow(aLog(isMissing), 7)).toEqual([end(7)]);
  });

  it('tells of what is not kept any more, and of a log that was emptied', async () => {
    const dropped = (log: FakeLog): void => Object.assign(log, { begin: 100, text: Buffer.from('late') }) && undefined;
    expect(await follow(aLog(wrote('one'), dropped, nothing))).toEqual([[0, 'one'], { kind: 'gap', from: 3, to: 100 }, [100, 'late'], end(104)]);
    const emptied = (log: FakeLog): void => void (log.text = Buffer.from('x'));
    expect(await follow(aLog(wrote('one'), emptied, nothing))).toEqual([[0, 'one'], { kind: 'gap', from: 3, to: 0 }, [0, 'x'], end(1)]);
  });

  it('tears no character, unless the task has', async () => {
    const euro = Buffer.from('€');
    expect(await follow(aLog(wrote(euro.subarray(0, 2)), wrote(euro.subarray(2)), nothing))).toEqual([[0, '€'], end(3)]);
    expect(await follow(aLog(wrote(euro.subarray(0, 1)), nothing))).toEqual([[0, '\ufffd'], end(1)]);
    const long = 'x'.repeat(LOG_PIECE_BYTES - 1) + '€';
    expect(await follow(aLog(wrote(long), nothing))).toEqual([[0, long.slice(0, -1)], [LOG_PIECE_BYTES - 1, '€'], end(LOG_PIECE_BYTES + 2)]);
  });

  it('ends without a word when nobody listens any more', async () => {
    const gone = new AbortController();
    const log = aLog(wrote('one'), () => gone.abort(), nothing);
    const seen = [];
    for await (const event of followLog(log, 0, gone.signal)) seen.push(event.kind);
    expect(seen).toEqual(['log']);
  });
});
