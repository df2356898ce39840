/**
 * A stored definition and its typed form, the one from the other without checking the whole schema again.
 *
 * One PUT asks for the typed form of the old and of the new definition several times. A definition that was made or read
 * here is remembered by its identity, as long as it lives: it is never written to, and a changed one is another object.
 */
import { appId } from '@ekiden/model';
import { appInputSchema, type AppInput } from './app.schema.js';
import type { CanonicalApp } from './canonical-app.js';
import { canonicalize } from './canonicalize.js';
import type { AppDefinition } from './definition.js';
import { parseWith } from './schema-errors.js';

const typed = new WeakMap<AppDefinition, CanonicalApp>();

/** What is stored for this app. */
export function definitionOf(app: CanonicalApp): AppDefinition {
  const definition: AppDefinition = { ...app };
  typed.set(definition, app);
  return definition;
}

/** The typed form of a stored definition. Throws `invalid-json` for one that is none. */
export function canonicalOf(definition: AppDefinition): CanonicalApp {
  let app = typed.get(definition);
  if (app === undefined) {
    app = canonicalize(parseWith(appInputSchema, definition), appId(definition.id), { defaultRole: '*' });
    typed.set(definition, app);
  }
  return app;
}

/** A stored definition as a client would send it, to be merged with what one has sent. Throws as `canonicalOf` does. */
export function inputOf(definition: AppDefinition): AppInput {
  const { healthChecks, ...app } = canonicalOf(definition);
  if (healthChecks === undefined) return app;
  return { ...app, healthChecks: healthChecks.map((check) => ({ ...check, ipProtocol: check.ipProtocol === 'IPv6' ? 'ipv6' : 'ipv4' })) };
}
