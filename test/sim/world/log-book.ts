/**
 * What every part of a simulated world logged: a hash over all of it, and the newest lines for the story of a failure.
 */
import { createHash } from 'node:crypto';

export interface LogLine {
  readonly at: number;
  readonly from: string;
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const MAX_KEPT_LINES = 6_000;
/** Characters that wait to be hashed: what waits long is copied about by the garbage collector. */
const MAX_PENDING_CHARS = 32_768;

export class LogBook {
  private lines: LogLine[] = [];
  private pending = '';
  private readonly digest = createHash('sha256');
  /** Lines and other facts noted so far. */
  count = 0;

  push(line: LogLine): void {
    this.lines.push(line);
    if (this.lines.length > MAX_KEPT_LINES) this.lines = this.lines.slice(MAX_KEPT_LINES / 2);
    this.note(line);
  }

  /** A fact that belongs to the run's hash, but to nobody's log. */
  note(fact: unknown): void {
    this.count += 1;
    this.pending += `${JSON.stringify(fact)}\n`;
    if (this.pending.length >= MAX_PENDING_CHARS) this.absorb();
  }

  /** Equal for two runs in which everything happened alike and at the same virtual times. */
  hash(): string {
    this.absorb();
    return this.digest.copy().digest('hex').slice(0, 32);
  }

  last(count: number, only: (line: LogLine) => boolean = () => true): readonly LogLine[] {
    return this.lines.filter(only).slice(-count);
  }

  private absorb(): void {
    this.digest.update(this.pending);
    this.pending = '';
  }
}

export const printLine = (line: LogLine): string =>
  `${(line.at / 1000).toFixed(3).slice(-9)} ${line.from} ${line.level} ${line.event} ${JSON.stringify(line.fields)}`;
