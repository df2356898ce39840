/**
 * What the first task of a config has found its image to be becomes that of all its versions (docs/decisions/0010), in the commit of the
 * status that says so.
 *
 * Two may have asked, where the first was out of reach for a while, or its agent is of before: whose word is recorded first counts, and a
 * task that turns out to run something else is started anew.
 */
import { liveTask, type Instance } from '@ekiden/model';
import { isImageOpen, type ObservedStatus } from '@ekiden/planner';
import type { Draft } from '../ledger/draft.js';
import { stepAndRecord } from '../ledger/record-step.js';

/** `before`, `after`: the instance around the status. */
export function pinImage(draft: Draft, before: Instance, after: Instance, { imageDigest }: ObservedStatus): void {
  if (imageDigest === undefined || liveTask(before)?.imageDigest !== undefined || liveTask(after) === null) return;
  const version = draft.version(after.appId, after.version);
  if (version === null) return;
  if (isImageOpen(version.spec, version.imageDigest)) {
    for (const row of draft.versions(after.appId)) if (row.configVersion === version.configVersion) draft.putVersion({ ...row, imageDigest });
  } else if (version.imageDigest !== undefined && version.imageDigest !== imageDigest) {
    stepAndRecord(draft, after, { kind: 'stop', reason: 'other-image', drainMs: 0, decommission: false });
  }
}
