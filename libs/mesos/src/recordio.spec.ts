import fc from 'fast-check';
import { encodeRecord, MAX_RECORD_BYTES, RecordDecoder, RecordError } from './recordio.js';

describe('RecordIO', () => {
  it('frames a heartbeat as Mesos does', () => {
    expect(encodeRecord({ type: 'HEARTBEAT' })).toBe('20\n{"type":"HEARTBEAT"}');
  });

  it('writes ASCII only, so that bytes and characters count the same', () => {
    const record = encodeRecord({ name: 'naïve – 駅伝 🏃' });
    expect(Buffer.byteLength(record)).toBe(record.length);
    expect(JSON.parse(record.slice(record.indexOf('\n') + 1))).toEqual({ name: 'naïve – 駅伝 🏃' });
  });

  it('reads the same records however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 40 }), (values, cuts) => {
        const bytes = Buffer.from(values.map(encodeRecord).join(''));
        const decoder = new RecordDecoder();
        const records: unknown[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length] ?? 1;
          records.push(...decoder.push(bytes.subarray(at, at + size)).map((text) => JSON.parse(text) as unknown));
          at += size;
        }
        expect(records).toEqual(values.map((value) => JSON.parse(JSON.stringify(value)) as unknown));
      }),
    );
  });

  it.each(['abc\n{}', '-1\n', `${MAX_RECORD_BYTES + 1}\n`, '12345678901234567890'])('refuses %j', (bytes) => {
    expect(() => new RecordDecoder().push(Buffer.from(bytes))).toThrow(RecordError);
  });
});
