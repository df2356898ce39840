/**
 * From a body to the canonical app: parse, translate what is deprecated, merge, refuse what is not built, fill in, validate.
 *
 * The order is Marathon's (section 8), but for one thing: an update's deprecated fields are translated before the merge, so
 * that `ports` in an update replaces the stored `portDefinitions`. Pure; `current` is a definition that this file made.
 */
import { EkidenError, type AppId, type Violation } from '@ekiden/model';
import { appInputSchema, type AppInput } from './app.schema.js';
import { canonicalize } from './canonicalize.js';
import { assertDepth, withoutNulls } from './clean-body.js';
import type { AppDefinition, Normalized, NormalizeOptions } from './definition.js';
import { checkIdText } from './check-id.js';
import { refuseStrayMappings } from './networks.js';
import { invalidJson, mergeByPath, parseWith } from './schema-errors.js';
import { definitionOf, inputOf } from './stored-app.js';
import { translateDeprecated } from './translate-deprecated.js';
import { findUnsupported } from './unsupported.js';
import { validateApp } from './validate-app.js';

export interface AppRequest {
  readonly body: unknown;
  /** From the path; null: the body names itself. */
  readonly id: AppId | null;
  readonly current: AppDefinition | null;
  /** Merge the given top-level fields into `current`; without a `current` the body has to be complete anyway. */
  readonly partial: boolean;
}

/**
 * Throws `invalid-json` (wrong shape), `invalid-object` (a broken rule) or `not-supported` (a field that is not built yet),
 * each with its violations at Marathon's paths.
 */
export function normalizeApp(input: AppRequest, options: NormalizeOptions): Normalized {
  const given = parseApp(input.body);
  const id = input.id ?? idOf(given, input.body);
  const translated = translateDeprecated(given);
  const base: AppInput = input.partial && input.current !== null ? inputOf(input.current) : {};
  const merged: AppInput = { ...base, ...translated.app };

  // First, since the rules below read an app that runs as a host command: an image needs no cmd, for one.
  const unsupported = findUnsupported(merged);
  if (unsupported.violations.length > 0) {
    throw new EkidenError('not-supported', `${id} asks for what Ekiden does not support yet`, { appId: id }, mergeByPath(unsupported.violations));
  }
  const currentRole = typeof input.current?.['role'] === 'string' ? input.current['role'] : null;
  const canonical = canonicalize(merged, id, options);
  const broken = mergeByPath([
    ...translated.violations,
    ...refuseStrayMappings(translated.app, canonical.networks),
    ...validateApp(canonical, { ...options, currentRole }),
  ]);
  if (broken.length > 0) throw invalidObject(broken);
  return { definition: definitionOf(canonical), warnings: unsupported.warnings };
}

/** A body as an App of optional fields: types are right, nothing is filled in. Throws `invalid-json`. */
export function parseApp(body: unknown): AppInput {
  assertDepth(body);
  const clean = withoutNulls(body);
  if (typeof clean !== 'object' || clean === null || Array.isArray(clean)) {
    throw invalidJson([{ path: '', errors: ['error.expected.jsobject'] }]);
  }
  return parseWith(appInputSchema, clean);
}

export const invalidObject = (violations: readonly Violation[]): EkidenError => new EkidenError('invalid-object', 'Object is not valid', {}, violations);

function idOf(given: AppInput, body: unknown): AppId {
  if (given.id === undefined) throw invalidJson([{ path: '/id', errors: [`'id' is undefined on object: ${preview(body)}`] }]);
  const problem = checkIdText(given.id);
  if ('error' in problem) throw invalidObject([{ path: problem.path, errors: [problem.error] }]);
  return problem.id;
}

const MAX_PREVIEW = 500;
const preview = (body: unknown): string => {
  const text = JSON.stringify(body) ?? '';
  return text.length > MAX_PREVIEW ? `${text.slice(0, MAX_PREVIEW)}…` : text;
};
