/**
 * Which instances wait with their launch until it is known what their image is (`libs/planner/src/image-scouts.ts` says how many go first).
 *
 * Only where the master passes agents' words on: elsewhere nobody would ever say.
 */
import type { AppId, Instance, Instant } from '@ekiden/model';
import { isImageOpen, scoutsWanted } from '@ekiden/planner';
import type { StateReader } from '../ledger/paas-state.js';
import type { AppVersionRow } from '../store/paas-store.js';

/** What the next task of an instance runs. */
export type LaunchVersion = Pick<AppVersionRow, 'version' | 'configVersion' | 'imageDigest' | 'spec'>;

export interface WantedLaunch {
  readonly instance: Instance;
  readonly launch: LaunchVersion;
}

/** Of the app's instances that want an offer, in their order: those that may have one now. */
export function withoutHeld(reader: StateReader, appId: AppId, wanting: readonly WantedLaunch[]): readonly WantedLaunch[] {
  const places = new Map<Instant, number>();
  return wanting.filter(({ launch: { configVersion, imageDigest, spec } }) => {
    if (!isImageOpen(spec, imageDigest)) return true;
    const left = places.get(configVersion) ?? placesFor(reader, appId, configVersion);
    places.set(configVersion, left - 1);
    return left > 0;
  });
}

function placesFor(reader: StateReader, appId: AppId, configVersion: Instant): number {
  const configs = new Map<Instant, Instant | null>();
  const configOf = (version: Instant): Instant | null => {
    let config = configs.get(version);
    if (config === undefined) configs.set(version, (config = reader.version(appId, version)?.configVersion ?? null));
    return config;
  };
  const wanted = scoutsWanted(reader.instances(appId).filter(({ version }) => configOf(version) === configVersion));
  return wanted === 'all' ? Number.POSITIVE_INFINITY : wanted === 'one' ? 1 : 0;
}
