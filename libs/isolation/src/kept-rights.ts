/**
 * With which rights a host command was launched: the second line of its launch file. Whatever enters the task later gets these, and not
 * what an agent that was started anew would give today.
 *
 * Only there is it looked for: further down stands what users have written.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from './cgroup-driver.js';
import { LAUNCH_FILE } from './run-journal.js';
import type { Namespace } from './runtime.js';
import type { TaskSecurity } from './task-security.js';

const NAMESPACES: readonly Namespace[] = ['pid', 'mount', 'ipc', 'uts'];

export const rightsLine = ({ capabilities, noNewPrivs, hasSeccomp, namespaces, privateTmp }: TaskSecurity): string =>
  `# rights ${JSON.stringify({ capabilities, noNewPrivs, hasSeccomp, namespaces, privateTmp })}`;

/** Null: it was launched by an agent that did not write them down. Throws when they cannot be read. */
export function readRights(runDir: string): TaskSecurity | null {
  let text: string;
  try {
    text = readFileSync(join(runDir, LAUNCH_FILE), 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  const line = /^# ekiden-run [^\n]*\n# rights ([^\n]*)\n/.exec(text)?.[1];
  return line === undefined ? null : parseRights(JSON.parse(line));
}

function parseRights(value: unknown): TaskSecurity {
  const { capabilities, noNewPrivs, hasSeccomp, namespaces, privateTmp } = fields(value);
  const isSet = capabilities === 'all' || isTexts(capabilities);
  if (!isSet || typeof noNewPrivs !== 'boolean' || typeof hasSeccomp !== 'boolean' || typeof privateTmp !== 'boolean' || !isTexts(namespaces))
    throw new Error('the rights in its launch file are not readable');
  return { capabilities, noNewPrivs, hasSeccomp, privateTmp, namespaces: NAMESPACES.filter((name) => namespaces.includes(name)) };
}

const fields = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null ? { ...value } : {});
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every((each) => typeof each === 'string');
