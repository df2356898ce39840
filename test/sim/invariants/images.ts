/** One version of an app runs one image, from the moment at which it is known which. */
import type { Instance } from '@ekiden/model';
import { isImageOpen, scoutsWanted } from '@ekiden/planner';
import type { AppVersionRow, Write } from '../../../apps/paas-api/src/store/paas-store.js';
import type { RowsBefore } from '../world/sim-event.js';
import type { SimProcess } from '../world/sim-process.js';
import type { Invariant } from './invariant.js';
import type { Sight } from './sight.js';

export const versionsRunOneImage: Invariant = {
  id: 'img-a',
  name: 'one version, one image',
  sentence: 'a launch carries the image that is known of its version; while none is, one task is launched at a time; what was known never changes',
  begin: (sight, report) => {
    return {
      on: {
        committed: ({ writes, before }) => {
          for (const write of writes) if (write.kind === 'put-instance') judgeLaunch(write.row, writes, before);
        },
        'process-started': ({ host, process }) => {
          const wanted = instanceOf(sight, process)?.condition;
          const pinned = wanted === undefined || wanted.kind === 'scheduled' ? undefined : wanted.task.imageDigest;
          const runs = imageOf(process);
          if (pinned !== undefined && runs !== undefined && runs !== pinned) report(`${process.taskId} was launched with ${pinned}, and ${host} runs ${runs}`);
        },
      },
      atRest: () => {
        if (!sight.scene.hasExtensions) return; // Nobody says there what agents find.
        for (const { machine, name } of sight.scene.hosts) {
          for (const process of machine.alive()) {
            const instance = instanceOf(sight, process);
            const pinned = instance === null ? undefined : rowOf(sight, instance)?.imageDigest;
            const runs = imageOf(process);
            if (runs !== undefined && runs !== pinned) report(`${process.taskId} runs ${runs} on ${name}, its version ${pinned}`);
          }
        }
      },
    };

    function judgeLaunch(is: Instance, writes: readonly Write[], before: RowsBefore): void {
      if (is.condition.kind !== 'provisioned' || is.incarnation === before.instances.get(is.id)?.incarnation) return;
      const row = rowOf(sight, is);
      if (row === null || row.spec.container === null || !sight.scene.hasExtensions) return;
      const { imageDigest } = is.condition.task;
      // It may have become known in the same commit, from a task that comes back.
      if (imageDigest === undefined && writes.some((write) => write.kind === 'put-version' && write.row === row)) return;
      if (imageDigest !== row.imageDigest) return report(`${is.id} is launched with the image ${imageDigest}, its version has ${row.imageDigest}`);
      if (!isImageOpen(row.spec, imageDigest)) return;
      const others = sight.committed.instances(is.appId).filter((one) => {
        const isBack = before.instances.get(one.id)?.condition.kind === 'unreachable';
        return one.id !== is.id && !isBack && rowOf(sight, one)?.configVersion === row.configVersion;
      });
      if (scoutsWanted(others) === 'none') report(`${is.id} is launched while another task asks what its image is`);
    }
  },
};

const rowOf = (sight: Sight, { appId, version }: Instance): AppVersionRow | null => sight.database.versions.get(appId)?.get(version) ?? null;

const imageOf = ({ spec }: SimProcess): string | undefined => spec.container?.image.registryDigest;

function instanceOf(sight: Sight, { taskId }: SimProcess): Instance | null {
  const instance = sight.instanceOf(taskId);
  const isIts = instance !== undefined && instance.condition.kind !== 'scheduled' && instance.condition.task.taskId === taskId;
  return isIts ? instance : null;
}
