/** How users and balancers ask: one API after the other, with a bound on the wait, and an answer that says what is known of it. */

/** `unknown`: nobody knows whether it was done. `absent`: nobody was there, it was not done. */
export type Outcome =
  | { readonly kind: 'answer'; readonly status: number; readonly body: unknown; readonly text: string }
  | { readonly kind: 'unknown'; readonly why: string }
  | { readonly kind: 'absent'; readonly why: string };

const TIMEOUT_MS = 20_000;

export async function ask(api: string, method: string, path: string, body?: unknown, timeoutMs = TIMEOUT_MS): Promise<Outcome> {
  try {
    const reply = await fetch(api + path, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await reply.text();
    return { kind: 'answer', status: reply.status, body: parsed(text), text };
  } catch (error) {
    const why = error instanceof Error ? `${error.message} ${codeOf(error.cause)}`.trim() : String(error);
    return codeOf(error instanceof Error ? error.cause : null) === 'ECONNREFUSED' ? { kind: 'absent', why } : { kind: 'unknown', why };
  }
}

const codeOf = (cause: unknown): string => (typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '');

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // an empty body, or text for people
  }
}
