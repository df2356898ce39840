/**
 * Reads one frame of the master: known kinds with the fields that are acted upon, or the reason why not.
 *
 * The master is trusted with what it asks, not with being bug-free: a frame of a wrong shape ends the link, never the agent.
 */
import type { MasterMessage } from '@ekiden/agent-link';

export type ParsedMasterMessage = { readonly kind: 'message'; readonly message: MasterMessage } | { readonly kind: 'wrong'; readonly why: string };

type Kind = 'text' | 'number' | 'object' | 'list' | 'boolean';

const FIELDS: Readonly<Record<MasterMessage['type'], Readonly<Record<string, Kind>>>> = {
  registered: { v: 'number', agentId: 'text', masterId: 'text', masterEpoch: 'number', linkEpoch: 'number', pingIntervalMs: 'number' },
  refused: { why: 'text', permanent: 'boolean' },
  launch: { framework: 'object', tasks: 'list' },
  kill: { frameworkId: 'text', taskId: 'text' },
  resize: { frameworkId: 'text', taskId: 'text', revision: 'number', size: 'object' },
  acknowledge: { frameworkId: 'text', taskId: 'text', uuid: 'text' },
  message: { frameworkId: 'text', executorId: 'text', data: 'text' },
  'shutdown-framework': { frameworkId: 'text' },
  'reconcile-tasks': { frameworkId: 'text', taskIds: 'list' },
  ping: { nonce: 'number' },
};

export function parseMasterMessage(text: string): ParsedMasterMessage {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    return { kind: 'wrong', why: String(error) };
  }
  if (typeof raw !== 'object' || raw === null) return { kind: 'wrong', why: 'no JSON object' };
  const fields: Readonly<Record<string, unknown>> = { ...raw };
  const type = Object.keys(FIELDS).find((known) => known === fields['type']) as MasterMessage['type'] | undefined;
  if (!type) return { kind: 'wrong', why: `type ${JSON.stringify(fields['type'])} is unknown` };
  for (const [name, kind] of Object.entries(FIELDS[type])) {
    if (!isOf(kind, fields[name])) return { kind: 'wrong', why: `${type}.${name} is no ${kind}` };
  }
  return { kind: 'message', message: raw as MasterMessage }; // every field that is acted upon was checked above
}

function isOf(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    case 'list':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null;
  }
}
