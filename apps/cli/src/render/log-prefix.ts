/** The mark in front of a line of a task's output: short, and in a colour of its own. */
import pc from 'picocolors';

const { cyan, yellow, green, magenta, blue, red } = pc.createColors(true);
const COLOURS = [cyan, yellow, green, magenta, blue, red];

/** `shop_web.instance-5cb1d3a0-….2` → `shop_web.5cb1d3a0`; ids of another shape are shown whole. */
export function shortTask(taskId: string): string {
  const match = /^(.+?)\.(?:instance-)?([0-9a-f]{8})-/.exec(taskId);
  return match === null ? taskId : `${match[1]}.${match[2]}`;
}

export function logPrefix(taskId: string, hasColours: boolean): string {
  const text = `${shortTask(taskId)} |`;
  if (!hasColours) return text;
  const sum = Array.from(taskId).reduce((total, character) => total + (character.codePointAt(0) ?? 0), 0);
  const colour = COLOURS[sum % COLOURS.length] ?? cyan;
  return colour(text);
}
