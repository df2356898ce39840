/**
 * Brings the image of a task before the start, and settles what is run in it.
 *
 * After the fetch, which may bring the credentials. A pull takes long: the task is written down as accepted first, says how far the pull
 * is (progress.ts), and a kill ends it. Which image it was is in the task's record, so that nobody collects it while the task runs, and
 * in its statuses: whoever is to ask the registry tells what it said at once, since others of its app wait for that.
 */
import { CONTAINER_SANDBOX, containerWords, type ContainerImage, type ImageWish } from '@ekiden/isolation';
import type { Clock, TaskId } from '@ekiden/model';
import type { ImagePort } from '../../agent-ports.js';
import type { LiveTask } from '../live-task.js';
import { startProgress } from '../progress.js';
import type { TaskHook } from './task-hook.js';

export function imageHook(images: ImagePort | null, clock: Clock, progress: (task: LiveTask, what: string) => void): TaskHook {
  const underWay = new Map<TaskId, AbortController>();
  const stop = (task: LiveTask): void => underWay.get(task.taskId)?.abort();
  return {
    name: 'image',
    preStart: async (task) => {
      const { container } = task.plan;
      if (container === null || images === null) return;
      const pulling = new AbortController();
      underWay.set(task.taskId, pulling);
      const told = startProgress(clock, (what) => progress(task, what));
      try {
        await task.saveNow();
        const asks = task.plan.image === 'ask';
        const found = (registryDigest: string): void => {
          task.update({ registryDigest });
          if (asks) progress(task, `pulling ${container.image}: it is ${registryDigest} now`);
        };
        const wish = { reference: container.image, forcePull: container.forcePull, ask: asks, sandbox: task.record.sandbox };
        const image = await ensure(images, task, { ...wish, stop: pulling.signal, progress: (text) => told.tell(() => text), found });
        const { options } = container;
        // As with Docker: another entrypoint takes the image's command away, too.
        const config = options.entrypoint === null ? image.config : { ...image.config, entrypoint: [options.entrypoint], cmd: [] };
        const argv = containerWords(container.kind, container.command, config);
        // Mesos' own containerizer starts in the sandbox where the image does not say; Docker in the root.
        const inSandbox = container.kind === 'MESOS' && image.config.workingDirectory === '' ? CONTAINER_SANDBOX : null;
        const workingDirectory = options.workingDirectory ?? inSandbox;
        task.inContainer = { argv, spec: { image, workingDirectory, volumes: await images.openVolumes(container.volumes), options } };
        task.update({ imageDigest: image.digest, ...(image.registryDigest === undefined ? {} : { registryDigest: image.registryDigest }) });
      } finally {
        told.end();
        underWay.delete(task.taskId);
      }
    },
    preStop: stop,
    detach: stop,
  };
}

/** A digest that the user did not write is no help to them without where it comes from. */
async function ensure(images: ImagePort, task: LiveTask, wish: ImageWish): Promise<ContainerImage> {
  try {
    return await images.ensure(wish);
  } catch (error) {
    if (task.plan.image !== 'pinned' || wish.stop.aborted) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${why} (all tasks of a version run the image that its tag named first: restart the app, and it is asked for anew)`, { cause: error });
  }
}
