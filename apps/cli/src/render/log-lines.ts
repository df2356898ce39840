/** A log as lines, each with its instance in front; a line is shown when it is whole. */
import { logPrefix } from './log-prefix.js';

/** A line without an end is printed in pieces of this length. */
const MAX_LINE_CHARS = 1024 * 1024;

/** Up to where the log of a task was read. */
export interface LogCursor {
  readonly taskId: string;
  offset: number;
  /** The beginning of a line whose end has not been read yet. */
  rest: string;
  isFollowed: boolean;
  isOver: boolean;
}

/** The lines that are whole now; what begins another one is kept in the cursor. */
export function linesOf(cursor: LogCursor, text: string): readonly string[] {
  const lines = (cursor.rest + text).split('\n');
  cursor.rest = lines.pop() ?? '';
  if (cursor.rest.length <= MAX_LINE_CHARS) return lines;
  const long = cursor.rest;
  cursor.rest = '';
  return [...lines, long];
}

export interface LineTarget {
  readonly json: boolean;
  readonly hasColours: boolean;
  readonly out: (text: string) => void;
}

export function printLines({ json, hasColours, out }: LineTarget, taskId: string, lines: readonly string[]): void {
  for (const line of lines) out(json ? JSON.stringify({ taskId, line }) : `${logPrefix(taskId, hasColours)} ${line}`);
}
