/** A request's text into a JSON value, or `not-json` in one of Marathon's two forms (Marathon: 3.1). */
import { EkidenError } from '@ekiden/model';

/** Throws `not-json` (400): the text is empty, or no JSON. The parser's own words travel as `details`. */
export function parseBody(text: string): unknown {
  if (text.trim() === '') throw new EkidenError('not-json', 'Please specify data in JSON format', { details: 'No content to map due to end-of-input' });
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new EkidenError('not-json', 'Invalid JSON', { details: cause instanceof Error ? cause.message : String(cause) });
  }
}
