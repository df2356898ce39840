/** From a request that changes apps to what the core takes: bodies parsed once, rollbacks told apart (Marathon: 6.2). */
import { appInputSchema, assertDepth, checkIdText, invalidObject, MAX_APPS_PER_REQUEST, parseBody, withoutNulls } from '@ekiden/marathon-api';
import { EkidenError, parseIsoTime, type AppId, type Instant } from '@ekiden/model';
import type { FastifyRequest } from 'fastify';
import type { AppChange, Caller } from '../paas-api.js';

export const bodyText = (request: FastifyRequest): string => (typeof request.body === 'string' ? request.body : '');

/** The body as JSON, bounded in depth. Throws `not-json` or `invalid-json`. */
export function bodyOf(request: FastifyRequest): unknown {
  const body = parseBody(bodyText(request));
  assertDepth(body);
  return body;
}

export const callerOf = (request: FastifyRequest): Caller => ({ clientIp: request.ip, uri: request.raw.url ?? '/' });

/** The apps of a bulk request. Throws `invalid-json` when it is no list, `limit-exceeded` when it is too long. */
export function listOf(body: unknown): readonly unknown[] {
  if (!Array.isArray(body)) throw new EkidenError('invalid-json', 'Invalid JSON', {}, [{ path: '', errors: ['error.expected.jsarray'] }]);
  if (body.length > MAX_APPS_PER_REQUEST)
    throw new EkidenError('limit-exceeded', `one request may change ${MAX_APPS_PER_REQUEST} apps, this one has ${body.length}: split it`);
  return body;
}

/** One entry of a bulk update: its id is in its body. */
export function bulkChange(body: unknown, partial: boolean, expect: AppChange['expect']): AppChange {
  const given = isObject(body) ? body['id'] : undefined;
  if (typeof given !== 'string') throw new EkidenError('invalid-object', "requirement failed: every app of the list needs an 'id'", {});
  const checked = checkIdText(given);
  if ('error' in checked) throw invalidObject([{ path: checked.path, errors: [checked.error] }]);
  return { id: checked.id, body, partial, expect };
}

/**
 * The version to go back to when that is all the body says (with or without `id`); null for an ordinary update. A version beside
 * other fields is refused in a partial update, where it would be ambiguous.
 */
export function rollbackVersion(body: unknown, partial: boolean): Instant | null {
  const clean = withoutNulls(body);
  if (!isObject(clean) || clean['version'] === undefined) return null;
  const others = Object.keys(clean).filter((key) => key !== 'id' && Object.hasOwn(appInputSchema.shape, key));
  if (others.length > 0) {
    if (!partial) return null;
    throw invalidObject([
      { path: '/', errors: [`version may only be combined with id: it rolls the app back; leave out version, or ${others.slice(0, 5).join(', ')}`] },
    ]);
  }
  const text = clean['version'];
  const version = typeof text === 'string' ? parseIsoTime(text) : null;
  if (version === null) throw new EkidenError('invalid-json', 'Invalid JSON', {}, [{ path: '/version', errors: ['error.expected.date.isoformat'] }]);
  return version;
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

export const notFound = (id: AppId): EkidenError => new EkidenError('app-not-found', `App '${id}' does not exist`, { appId: id });
