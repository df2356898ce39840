/**
 * Which images an app's versions and tasks run. A path of its own: clients of Marathon take no field in an app or a task that they do not
 * know.
 */
import { isoTime, liveTask, type AppId } from '@ekiden/model';
import type { PaasView } from '../paas-api.js';
import { wantedVersion } from './render-app.js';
import type { Json } from './stored-definition.js';

/** `digest` null: nobody has asked the registry yet, or there is no image; versions newest first. */
export function renderImages(view: PaasView, id: AppId): Json {
  const wanted = wantedVersion(view, id);
  return {
    appId: id,
    image: wanted?.spec.container?.image ?? null,
    digest: wanted === null ? null : digestOf(wanted),
    versions: view.versions(id).map((row) => ({
      version: isoTime(row.version),
      configVersion: isoTime(row.configVersion),
      image: row.spec.container?.image ?? null,
      digest: digestOf(row),
    })),
    tasks: view.instances(id).flatMap((instance) => {
      const task = liveTask(instance);
      if (task === null) return [];
      return [{ id: task.taskId, version: isoTime(instance.version), host: task.hostname, digest: task.imageDigest ?? null }];
    }),
  };
}

/** The user's own, where it stands in the name. */
const digestOf = ({ imageDigest, spec }: NonNullable<ReturnType<typeof wantedVersion>>): string | null =>
  imageDigest ?? spec.container?.image.split('@')[1] ?? null;
