/** What went wrong and what to do next: one line where it fits, else the advice in a line of its own. Pure. */
import { CliError, messageOf } from '../cli-error.js';

export function errorText(error: unknown): string {
  const message = messageOf(error);
  if (!(error instanceof CliError) || error.hint === null) return message;
  return message.includes('\n') ? `${message}\n  ${error.hint}` : `${message.replace(/\.$/, '')}: ${error.hint}`;
}
