/**
 * One version of an app runs one image (docs/decisions/0010): what a tag means is asked once, by the first task of a config, and
 * the others wait until it is known. Pure.
 *
 * A launch under way that does not know its image yet is a scout. One that is being stopped, or whose agent is out of reach, keeps nobody
 * waiting, and a silent one no longer than launches are given time at all. Where a task runs without having said, its agent never says:
 * there is nothing to wait for.
 */
import type { AppSpec, Instance } from '@ekiden/model';

/** Whether its image is named by what may move, and nobody has asked yet what it means. */
export const isImageOpen = (spec: Pick<AppSpec, 'container'>, imageDigest: string | undefined): boolean =>
  spec.container !== null && imageDigest === undefined && !spec.container.image.includes('@');

/**
 * How many may be launched now of a config whose image is open. `siblings`: all instances of that config.
 */
export function scoutsWanted(siblings: Iterable<Instance>): 'none' | 'one' | 'all' {
  let isAsked = false;
  for (const { condition, stop } of siblings) {
    if (condition.kind === 'running') return 'all';
    if ((condition.kind === 'provisioned' || condition.kind === 'staging') && stop === null) isAsked = true;
  }
  return isAsked ? 'none' : 'one';
}
