/**
 * RecordIO: `<decimal byte length>\n<that many bytes>`, the framing of every Mesos event stream.
 *
 * We write only ASCII (other characters as `\uXXXX`), so that bytes and JavaScript characters count the same, and one
 * record a chunk: deployed JavaScript clients depend on both. Reading takes any chunking, and has bounds.
 */

/** The longest record accepted, in bytes. */
export const MAX_RECORD_BYTES = 64 * 1024 * 1024;
/** The longest length line: MAX_RECORD_BYTES has 8 digits. */
const MAX_LENGTH_DIGITS = 10;

const NOT_ASCII = /[\u007f-\uffff]/g;

/** One value as one record, ready for a single write. */
export function encodeRecord(value: unknown): string {
  const json = asciiJson(value);
  return `${json.length}\n${json}`;
}

/** JSON in which every character beyond ASCII is escaped. */
export const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replace(NOT_ASCII, (character) => '\\u' + character.charCodeAt(0).toString(16).padStart(4, '0'));

export class RecordError extends Error {}

/** Takes chunks as they come, answers the whole records in them. Throws `RecordError` on bytes that are no RecordIO. */
export class RecordDecoder {
  private pending: Buffer = Buffer.alloc(0);

  push(chunk: Uint8Array): string[] {
    this.pending = this.pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.pending, chunk]);
    const records: string[] = [];
    let offset = 0;
    for (;;) {
      const newline = this.pending.indexOf(0x0a, offset);
      if (newline < 0) {
        if (this.pending.length - offset > MAX_LENGTH_DIGITS) throw new RecordError('a record begins with its length in decimal digits and a newline');
        break;
      }
      const digits = this.pending.toString('latin1', offset, newline);
      if (!/^\d{1,10}$/.test(digits)) throw new RecordError(`a record begins with its length, not with "${digits.slice(0, 20)}"`);
      const length = Number(digits);
      if (length > MAX_RECORD_BYTES) throw new RecordError(`a record of ${length} bytes is over the limit of ${MAX_RECORD_BYTES}`);
      if (this.pending.length < newline + 1 + length) break;
      records.push(this.pending.toString('utf8', newline + 1, newline + 1 + length));
      offset = newline + 1 + length;
    }
    if (offset > 0) this.pending = this.pending.subarray(offset);
    return records;
  }
}
