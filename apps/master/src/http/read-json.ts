/** A body as JSON, or the sentence that says why it is none. */
export type ReadJson = { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'problem'; readonly text: string };

export function readJson(body: unknown): ReadJson {
  if (typeof body !== 'string' || body === '') return { kind: 'problem', text: 'Failed to parse body into JSON: it is empty' };
  try {
    return { kind: 'value', value: JSON.parse(body) };
  } catch (error) {
    return { kind: 'problem', text: `Failed to parse body into JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}
