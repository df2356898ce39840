/**
 * Decides whether an HTTP request may come in at all (decision 19), before any route sees it.
 *
 * Loopback is no border: any page in a browser can send requests to it, by its address (`fetch` with `text/plain` needs no
 * preflight) or by a name of its own that resolves to 127.0.0.1 (DNS rebinding). So Host and Origin are checked always,
 * writes need a media type that no HTML form can send, and a token opens what a token guards.
 * Absent on purpose: who may do what. This only says who is asking at all.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopbackAddress, isLoopbackName } from './loopback.js';

export interface RequestPolicy {
  /** `host` (any port) or `host:port`; loopback names are allowed always. */
  readonly allowedHosts: readonly string[];
  /** Accepted bearer tokens. Empty: whoever connects from loopback. */
  readonly tokens: readonly string[];
  /** Media types of writes besides `application/json`, such as `application/x-protobuf`. */
  readonly contentTypes: readonly string[];
  /** Paths that need neither token nor media type: exact, or a subtree as `/docs/*`. Host and Origin are checked there too. */
  readonly openPaths: readonly string[];
}

export interface JudgedRequest {
  readonly method: string;
  /** Path and query, as on the request line. */
  readonly url: string;
  /** Lower-case names, as Node gives them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly remoteAddress: string | undefined;
}

export interface RequestRefusal {
  readonly status: 401 | 403 | 415;
  readonly message: string;
}

/** Null: come in. Otherwise the answer to send; the body, if any, should not be read. */
export function judgeRequest(request: JudgedRequest, policy: RequestPolicy): RequestRefusal | null {
  return (
    judgeHost(request, policy) ??
    judgeOrigin(request, policy) ??
    (isOpen(request.url, policy) ? null : (judgeToken(request, policy) ?? judgeMediaType(request, policy)))
  );
}

function judgeHost(request: JudgedRequest, policy: RequestPolicy): RequestRefusal | null {
  const host = header(request, 'host');
  const authority = host === null ? null : parseAuthority(host);
  if (authority !== null && (isLoopbackName(authority.name) || isAllowed(authority, policy))) return null;
  return forbidden(`Host "${printable(host ?? '')}" is not served here: use a loopback name, or start with this name among the allowed hosts`);
}

function judgeOrigin(request: JudgedRequest, policy: RequestPolicy): RequestRefusal | null {
  const origin = header(request, 'origin');
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (origin === null && request.headers['origin'] === undefined) {
    // A link that a person follows is harmless: the other page cannot read the answer, and reads change nothing.
    const isVisit = isRead && header(request, 'sec-fetch-mode') === 'navigate';
    // `same-site` is the same name on another port, which is a task's.
    const site = header(request, 'sec-fetch-site');
    if ((site === 'cross-site' || site === 'same-site') && !isVisit) return forbidden('a page of another site may not send requests here');
    return null;
  }
  const authority = origin !== null && /^https?:\/\//i.test(origin) ? parseAuthority(origin.replace(/^https?:\/\//i, '')) : null;
  const own = parseAuthority(header(request, 'host') ?? '');
  const isSame = authority !== null && own !== null && authority.name === own.name && authority.port === own.port;
  if (isSame || (authority !== null && isAllowedOrigin(authority, policy))) return null;
  return forbidden(`Origin "${printable(origin ?? '')}" may not send requests here: only pages that this server itself served, or its allowed hosts`);
}

function judgeToken(request: JudgedRequest, policy: RequestPolicy): RequestRefusal | null {
  if (policy.tokens.length === 0) {
    if (isLoopbackAddress(request.remoteAddress ?? '')) return null;
    return {
      status: 401,
      message: 'without a token only connections from loopback are served: start with --token-file and send Authorization: Bearer <token>',
    };
  }
  const given = /^Bearer +(\S+)$/i.exec(header(request, 'authorization') ?? '')?.[1];
  // Every token is compared, so that the time taken says nothing about which one was near.
  const known = given !== undefined && policy.tokens.map((token) => isEqualText(token, given)).includes(true);
  return known ? null : { status: 401, message: 'a valid token is needed: send Authorization: Bearer <token>' };
}

/** Says who is asking, for logs: by which line of the token file, and from where. No secret is in it. */
export function whoAsks(request: Pick<JudgedRequest, 'headers' | 'remoteAddress'>, { tokens }: Pick<RequestPolicy, 'tokens'>): string {
  const given = /^Bearer +(\S+)$/i.exec(header(request, 'authorization') ?? '')?.[1];
  const matches = given === undefined ? [] : tokens.map((token) => isEqualText(token, given));
  const from = request.remoteAddress ?? 'nobody';
  return matches.includes(true) ? `token ${matches.indexOf(true) + 1} from ${from}` : from;
}

function judgeMediaType(request: JudgedRequest, policy: RequestPolicy): RequestRefusal | null {
  if (['GET', 'HEAD', 'OPTIONS'].includes(request.method)) return null;
  const value = header(request, 'content-type');
  const hasBody = request.headers['transfer-encoding'] !== undefined || Number(header(request, 'content-length') ?? 0) !== 0;
  // A write without body and media type cannot come from a form, and a script's carries an Origin, judged above.
  if (!hasBody && (value === null || request.method !== 'POST')) return null;
  const mediaType = (value ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const accepted = ['application/json', ...policy.contentTypes];
  if (accepted.includes(mediaType)) return null;
  return { status: 415, message: `Content-Type "${printable(mediaType)}" is not accepted: send one of ${accepted.join(', ')}` };
}

function isOpen(url: string, policy: RequestPolicy): boolean {
  const path = url.split('?')[0] ?? '';
  if (path.includes('..') || path.includes('%') || path.includes('\\')) return false; // could mean another path to a router
  return policy.openPaths.some((open) => (open.endsWith('/*') ? path === open.slice(0, -2) || path.startsWith(open.slice(0, -1)) : path === open));
}

interface Authority {
  readonly name: string;
  readonly port: string | null;
}

/** `name[:port]` or `[v6][:port]`; lower case, without a trailing dot. Null when it is neither. */
function parseAuthority(text: string): Authority | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/i.exec(text);
  if (!match) return null;
  return { name: (match[1] ?? '').toLowerCase().replace(/\.$/, ''), port: match[2] ?? null };
}

function isAllowed(authority: Authority, policy: Pick<RequestPolicy, 'allowedHosts'>): boolean {
  return policy.allowedHosts.some((entry) => {
    const allowed = parseAuthority(entry);
    return allowed !== null && allowed.name === authority.name && (allowed.port === null || allowed.port === authority.port);
  });
}

/** Other ports of loopback are strangers: a task's own web page lives there. So a loopback name has to be listed with its port. */
function isAllowedOrigin(authority: Authority, policy: RequestPolicy): boolean {
  const isLoopback = isLoopbackName(authority.name);
  return isAllowed(authority, { allowedHosts: policy.allowedHosts.filter((entry) => !isLoopback || parseAuthority(entry)?.port !== null) });
}

/** A header that occurs once, or null. Repeated ones count as absent: what they mean depends on who reads them. */
function header(request: Pick<JudgedRequest, 'headers'>, name: string): string | null {
  const value = request.headers[name];
  return typeof value === 'string' ? value : null;
}

function isEqualText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

const forbidden = (message: string): RequestRefusal => ({ status: 403, message });

const printable = (text: string): string => text.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, '?');
