/**
 * The fields of a place (an agent, or where a task runs) by which constraints compare.
 *
 * `hostname` and `@hostname`, `@region` and `@zone` are built in; every other name is an attribute of the agent.
 */
import type { Peer } from './view.js';

/** The text that a constraint on `field` compares, or null where the place has no such field. */
export function fieldValue(place: Peer, field: string): string | null {
  switch (field) {
    case 'hostname':
    case '@hostname':
      return place.hostname;
    case '@region':
      return place.region;
    case '@zone':
      return place.zone;
    default:
      return Object.hasOwn(place.attributes, field) ? (place.attributes[field] ?? null) : null;
  }
}
