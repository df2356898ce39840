/**
 * Fields of older Marathons into today's (section 8.1), and the refusal of old beside new (9.3).
 *
 * Works on what was sent, before a merge. What belongs to networks is in translate-networks.ts.
 */
import type { Violation } from '@ekiden/model';
import type { AppInput } from './app.schema.js';
import { translateNetworks } from './translate-networks.js';

export interface Translated {
  readonly app: AppInput;
  readonly violations: readonly Violation[];
}

const ARCHIVE = /\.(tar|tar\.gz|tar\.bz2|tar\.xz|gz|tgz|tbz2|txz|zip)$/;

export function translateDeprecated(given: AppInput): Translated {
  const { uris, ports, ...rest } = given;
  const violations: Violation[] = [];
  let app: AppInput = rest;
  if (uris !== undefined && uris.length > 0) {
    if ((given.fetch ?? []).length > 0)
      violations.push({ path: '/uris', errors: ['must not be set together with a non-empty fetch: move the uris into fetch'] });
    else app = { ...app, fetch: uris.map(artifactOf) };
  }
  if (ports !== undefined) {
    const explicit = ports.filter((port) => port !== 0);
    if (new Set(explicit).size < explicit.length) violations.push({ path: '/', errors: ['ports must be unique: a port that is not 0 may be named once'] });
    if (given.portDefinitions === undefined) app = { ...app, portDefinitions: ports.map((port) => ({ port })) };
    else if (!samePorts(ports, given.portDefinitions)) {
      violations.push({ path: '/', errors: ['ports and portDefinitions name different ports: give only portDefinitions'] });
    }
  }
  const networks = translateNetworks(app);
  return { app: networks.app, violations: [...violations, ...networks.violations] };
}

const artifactOf = (uri: string) => ({ uri, extract: ARCHIVE.test(pathOf(uri)), executable: false, cache: false });
const pathOf = (uri: string): string => uri.split(/[?#]/, 1)[0] ?? uri;

const samePorts = (ports: readonly number[], definitions: NonNullable<AppInput['portDefinitions']>): boolean =>
  ports.length === definitions.length && definitions.every((definition, index) => (definition.port ?? 0) === ports[index]);
