/**
 * Fields that Marathon has and Ekiden cannot act on yet (decision 16).
 *
 * What a user relies on is refused, at its path, with what to do instead. What changes nothing for a host command is taken
 * out and said as a warning. A field leaves this file on the day it works.
 */
import type { Violation } from '@ekiden/model';
import type { AppInput } from './app.schema.js';
import { refuseContainer } from './container.js';
import { isOwn } from './networks.js';

export interface Unsupported {
  readonly violations: readonly Violation[];
  /** Sentences for the `Warning` header. */
  readonly warnings: readonly string[];
}

export function findUnsupported(app: AppInput): Unsupported {
  const warnings: string[] = [];
  const violations = [...refuseFields(app), ...refuseEnvSecrets(app), ...refuseNetworks(app), ...refuseFetch(app), ...refuseContainer(app, warnings)];
  return { violations, warnings };
}

function refuse(path: string, text: string): Violation {
  return { path, errors: [text] };
}

function refuseFields(app: AppInput): Violation[] {
  const refused: Violation[] = [];
  const check = (isSet: boolean, path: string, text: string): void => {
    if (isSet) refused.push(refuse(path, text));
  };
  check(Object.keys(app.secrets ?? {}).length > 0, '/secrets', 'secrets are not supported yet: leave them out and pass values in env');
  check((app.gpus ?? 0) > 0, '/gpus', 'gpus are not supported yet: set gpus to 0');
  check(
    app.executor !== undefined && app.executor !== '' && app.executor !== '//cmd',
    '/executor',
    'executors of your own are not supported yet: use "" or "//cmd"',
  );
  check(app.executorResources !== undefined, '/executorResources', 'executorResources are not supported yet: leave them out');
  check(app.check !== undefined, '/check', 'check is not supported yet: use healthChecks');
  check(app.tty === true, '/tty', 'tty is not supported yet: leave it out');
  check(app.residency !== undefined, '/residency', 'residency needs persistent volumes, which are not supported yet: leave it out');
  return refused;
}

function refuseEnvSecrets(app: AppInput): Violation[] {
  return Object.entries(app.env ?? {}).flatMap(([key, value]) =>
    typeof value === 'string' ? [] : [refuse(`/env/${key}/secret`, 'secrets are not supported yet: give the value as text')],
  );
}

/** Networks of its own are those of a container. */
function refuseNetworks({ networks = [], container }: AppInput): Violation[] {
  if (!isOwn(networks) || container?.docker?.image !== undefined) return [];
  return [refuse('/networks', 'a network other than {"mode":"host"} needs an image, in container.docker.image: a command has the network of the machine')];
}

const FETCHABLE = /^(https?|file):\/\//i;

function refuseFetch(app: AppInput): Violation[] {
  return (app.fetch ?? []).flatMap((artifact, index) =>
    FETCHABLE.test(artifact.uri)
      ? []
      : [refuse(`/fetch(${index})/uri`, 'this kind of URI is not supported yet: use http://, https:// or, where the operator allows it, file://')],
  );
}
