/**
 * Reads one record of a scheduler's event stream.
 *
 * Checked is what everybody relies on: the type, its sub-object and the ids in it. Types that we do not know (inverse offers,
 * operations, what comes later) are null and are skipped, as the protocol asks for.
 */
import type { SchedulerEvent } from '@ekiden/mesos';

/** The event, or null for an unknown type. Throws an `Error` when the record is no event at all. */
export function parseEvent(record: string): SchedulerEvent | null {
  const value: unknown = JSON.parse(record);
  if (!isObject(value) || typeof value['type'] !== 'string') throw new Error('a record of the event stream has no "type"');
  if (!KNOWN.has(value['type'])) return null;
  if (!isSchedulerEvent(value)) throw new Error(`a ${value['type']} event lacks what it has to carry`);
  return value;
}

const KNOWN: ReadonlySet<string> = new Set(['SUBSCRIBED', 'OFFERS', 'RESCIND', 'UPDATE', 'MESSAGE', 'FAILURE', 'ERROR', 'HEARTBEAT']);

function isSchedulerEvent(value: Readonly<Record<string, unknown>>): value is SchedulerEvent & Record<string, unknown> {
  const body = (name: string): unknown => value[name];
  switch (value['type']) {
    case 'SUBSCRIBED':
      return isObject(body('subscribed')) && isId(get(body('subscribed'), 'framework_id'));
    case 'OFFERS': {
      const offers = get(body('offers'), 'offers') ?? [];
      return isObject(body('offers')) && Array.isArray(offers) && offers.every((offer) => isId(get(offer, 'id')) && isId(get(offer, 'agent_id')));
    }
    case 'RESCIND':
      return isId(get(body('rescind'), 'offer_id'));
    case 'UPDATE': {
      const status = get(body('update'), 'status');
      return isId(get(status, 'task_id')) && typeof get(status, 'state') === 'string';
    }
    case 'MESSAGE':
      return isObject(body('message'));
    case 'FAILURE':
      return isObject(body('failure'));
    case 'ERROR':
      return typeof get(body('error'), 'message') === 'string';
    default:
      return true; // HEARTBEAT
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const get = (value: unknown, key: string): unknown => (isObject(value) ? value[key] : undefined);
const isId = (value: unknown): boolean => typeof get(value, 'value') === 'string';
