/**
 * Two runtimes as one: host commands and unpacked images go to the machine's own, images of a container engine to that engine.
 *
 * Which of them has a task is seen from its launch, and after an agent's restart from its run directory.
 */
import type { SupervisedRuntime } from './create-runtime.js';
import type { EngineRuntime } from './engine/engine-runtime.js';
import { isEngineRunDir } from './engine/engine-journal.js';
import type { LaunchSpec } from './runtime.js';

export function compositeRuntime(host: SupervisedRuntime, engine: EngineRuntime): SupervisedRuntime {
  const isOfEngine = ({ container }: Pick<LaunchSpec, 'container'>): boolean => container != null && 'imageId' in container.image;
  return {
    ...host,
    launch: (spec) => (isOfEngine(spec) ? engine : host).launch(spec),
    recover: (taskId, runDir) => (isEngineRunDir(runDir) ? engine : host).recover(taskId, runDir),
    onExit: (taskId, ended) => (engine.has(taskId) ? engine : host).onExit(taskId, ended),
    resize(taskId, limits) {
      const refusal = engine.has(taskId) ? (engine.abilities?.resize ?? null) : null;
      if (refusal !== null) return { kind: 'refused', reason: refusal };
      if (engine.has(taskId) && engine.resize !== undefined) return engine.resize(taskId, limits);
      return host.resize?.(taskId, limits) ?? { kind: 'refused', reason: `the \`${host.name}\` runtime cannot change the size of a running task` };
    },
    resizes: () => [host, engine].some(({ abilities }) => abilities?.resize === null),
    terminate: (taskId) => (engine.has(taskId) ? engine : host).terminate(taskId),
    kill: (taskId) => (engine.has(taskId) ? engine : host).kill(taskId),
    joinFiles: (taskId) => (engine.has(taskId) ? [] : (host.joinFiles?.(taskId) ?? [])),
    stats: (taskIds) =>
      new Map([...host.stats(taskIds.filter((taskId) => !engine.has(taskId))), ...engine.stats(taskIds.filter((taskId) => engine.has(taskId)))]),
    async exec(spec) {
      if (engine.has(spec.taskId)) return await engine.exec(spec);
      if (host.exec === undefined) throw new Error('nothing can be run in its tasks');
      return await host.exec(spec);
    },
    forget: (taskId, runDir) => (engine.has(taskId) || isEngineRunDir(runDir) ? engine : host).forget(taskId, runDir),
    async sweep(known) {
      const [ofHost, ofEngine] = await Promise.all([host.sweep(known), engine.sweep(known)]);
      return ofHost + ofEngine;
    },
    close() {
      engine.close();
      host.close();
    },
  };
}
