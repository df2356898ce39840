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
const MAX_HASHED_LINES = 500;

export class LogBook {
  private lines: LogLine[] = [];
  private pending: string[] = [];
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
    this.pending.push(JSON.stringify(fact));
    if (this.pending.length >= MAX_HASHED_LINES) this.absorb();
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
    this.digest.update(this.pending.join('\n'));
    this.pending = [];
  }
}

export const printLine = (line: LogLine): string =>
  `${(line.at / 1000).toFixed(3).slice(-9)} ${line.from} ${line.level} ${line.event} ${JSON.stringify(line.fields)}`;
