/** A paas-api of the simulator: each change that it is asked for, each answer and each published event is told to the witnesses. */
import { parseTaskId, type AppId } from '@ekiden/model';
import type { PaasApi } from '../../../apps/paas-api/src/paas-api.js';
import type { Request, Tell } from './sim-event.js';

/** `by`: the name of its process. `number`: of requests, over all processes. */
export function watchedApi(core: PaasApi, by: string, number: () => number, tell: Tell): PaasApi {
  const ask = async <T>(method: string, apps: readonly AppId[], args: readonly unknown[], work: () => Promise<T>): Promise<T> => {
    const request: Request = { number: number(), by, method, apps, args };
    tell({ kind: 'asked', request });
    try {
      const value = await work();
      tell({ kind: 'answered', request, outcome: { kind: 'done', value } });
      return value;
    } catch (error) {
      tell({ kind: 'answered', request, outcome: { kind: 'refused', error } });
      throw error;
    }
  };
  core.onEvent((row) => tell({ kind: 'published', by, row }));
  return {
    start: () => core.start(),
    stop: () => core.stop(),
    get isLeading() {
      return core.isLeading;
    },
    get isConnected() {
      return core.isConnected;
    },
    stopped: core.stopped,
    sizes: () => core.sizes(),
    view: core.view,
    previewApps: (changes) => core.previewApps(changes),
    deploymentHistory: (filter) => core.deploymentHistory(filter),
    onEvent: (listener) => core.onEvent(listener),
    onChange: (listener) => core.onChange(listener),
    changeApps: (...args) => ask('changeApps', namedIn(args[0]), args, () => core.changeApps(...args)),
    rollbackApp: (...args) => ask('rollbackApp', [args[0]], args, () => core.rollbackApp(...args)),
    restartApp: (...args) => ask('restartApp', [args[0]], args, () => core.restartApp(...args)),
    deleteApp: (...args) => ask('deleteApp', [args[0]], args, () => core.deleteApp(...args)),
    killTasks: (...args) => ask('killTasks', appsOfTasks(args[0]), args, () => core.killTasks(...args)),
    killAppTasks: (...args) => ask('killAppTasks', [args[0]], args, () => core.killAppTasks(...args)),
    cancelDeployment: (...args) => {
      const row = core.view.deployments().find((one) => one.id === args[0]);
      return ask('cancelDeployment', row?.changes.map((change) => change.appId) ?? [], args, () => core.cancelDeployment(...args));
    },
    resetDelay: (...args) => ask('resetDelay', [args[0]], args, () => core.resetDelay(...args)),
  };
}

function namedIn(changes: Parameters<PaasApi['changeApps']>[0]): AppId[] {
  return changes.flatMap(({ id, body }) => {
    if (id !== null) return [id];
    const own: unknown = typeof body === 'object' && body !== null && 'id' in body ? body.id : null;
    return typeof own === 'string' ? [own as AppId] : [];
  });
}

/** Of task ids and instance ids. */
function appsOfTasks(ids: readonly string[]): AppId[] {
  return [...new Set(ids.flatMap((id) => (parseTaskId(id) ?? parseTaskId(`${id}._app`))?.appId ?? []))];
}
