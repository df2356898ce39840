/** Stored definitions, as `libs/marathon-api` reads them. */
import type { AppDefinition } from '@ekiden/marathon-api';
import { invariant } from '@ekiden/model';
import type { AppDefinitionJson } from '../store/paas-store.js';

/** The store keeps definitions opaque; only normalised ones ever go in. */
export function asDefinition(json: AppDefinitionJson): AppDefinition {
  invariant(isDefinition(json), 'a stored definition has an id and a number of instances');
  return json; // The same object: what is known about it is kept by its identity.
}

const isDefinition = (json: AppDefinitionJson): json is AppDefinition => typeof json['id'] === 'string' && typeof json['instances'] === 'number';
