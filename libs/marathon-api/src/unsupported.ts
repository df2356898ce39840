/**
 * Fields that Marathon has and Ekiden cannot act on yet (decision 16).
 *
 * What a user relies on is refused, at its path, with what to do instead. What changes nothing for a host command is taken
 * out and said as a warning. A field leaves this file on the day it works.
 */
import type { Violation } from '@ekiden/model';
import type { AppInput } from './app.schema.js';
import { refuseContainer } from './container.js';

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
  check(app.ipAddress !== undefined, '/ipAddress', 'an address for each task is not supported yet: leave ipAddress out and use portDefinitions');
  return refused;
}

function refuseEnvSecrets(app: AppInput): Violation[] {
  return Object.entries(app.env ?? {}).flatMap(([key, value]) =>
    typeof value === 'string' ? [] : [refuse(`/env/${key}/secret`, 'secrets are not supported yet: give the value as text')],
  );
}

function refuseNetworks(app: AppInput): Violation[] {
  const networks = app.networks ?? [];
  if (networks.length > 1) return [refuse('/networks', 'more than one network is not supported yet: leave networks out, the host network is used')];
  return networks.flatMap((network, index) => {
    if (network.mode !== 'host') {
      return [refuse(`/networks(${index})/mode`, `network mode ${network.mode ?? 'container'} is not supported yet: use {"mode":"host"} with portDefinitions`)];
    }
    const isNamed = network.name !== undefined || Object.keys(network.labels ?? {}).length > 0;
    return isNamed ? [refuse('/networks', 'the host network takes neither name nor labels')] : [];
  });
}

const FETCHABLE = /^(https?|file):\/\//i;

function refuseFetch(app: AppInput): Violation[] {
  return (app.fetch ?? []).flatMap((artifact, index) =>
    FETCHABLE.test(artifact.uri)
      ? []
      : [refuse(`/fetch(${index})/uri`, 'this kind of URI is not supported yet: use http://, https:// or, where the operator allows it, file://')],
  );
}
