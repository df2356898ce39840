/** A stored definition, known as such again: the store and the core hold it as plain JSON. */
import type { AppDefinition } from '@ekiden/marathon-api';
import { invariant } from '@ekiden/model';
import type { AppDefinitionJson } from '../store/paas-store.js';

/** An object about to become JSON text. */
export type Json = Readonly<Record<string, unknown>>;

/** A stored definition is one that `normalizeApp` made. */
export function asDefinition(json: AppDefinitionJson): AppDefinition {
  invariant(isDefinition(json), 'a stored definition has id and instances');
  return json; // The same object: what is known about it is kept by its identity.
}

const isDefinition = (json: AppDefinitionJson): json is AppDefinition => typeof json['id'] === 'string' && typeof json['instances'] === 'number';
