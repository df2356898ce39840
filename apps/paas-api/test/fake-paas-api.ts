/** A core of a few lines for tests of the HTTP layer: it keeps what it is told and changes at once. No tasks of its own. */
import { assignServicePorts, classifyChange, normalizeApp, toAppSpec, type AppDefinition } from '@ekiden/marathon-api';
import { appId, deploymentId, EkidenError, type AppId, type Instance } from '@ekiden/model';
import type { AppChange, PaasApi, PaasView, QueueItem } from '../src/paas-api.js';
import type { AppVersionRow, DeploymentRow, EventRow } from '../src/store/paas-store.js';

export interface FakeApi extends PaasApi {
  isLeading: boolean;
  readonly instancesOf: Map<AppId, Instance[]>;
  readonly running: DeploymentRow[];
  readonly waiting: QueueItem[];
  emit(type: string, fields?: Readonly<Record<string, unknown>>): void;
  changed(...ids: AppId[]): void;
  readonly calls: { readonly name: string; readonly args: readonly unknown[] }[];
}

const START = Date.parse('2026-01-02T03:04:05.000Z');

export function fakePaasApi(): FakeApi {
  const versions = new Map<AppId, AppVersionRow[]>();
  const instancesOf = new Map<AppId, Instance[]>();
  const running: DeploymentRow[] = [];
  const waiting: QueueItem[] = [];
  const calls: FakeApi['calls'] = [];
  const eventListeners = new Set<(event: EventRow) => void>();
  const changeListeners = new Set<(apps: ReadonlySet<AppId>) => void>();
  let ticks = 0;
  const receipt = () => {
    ticks += 1;
    return { version: START + ticks, deploymentId: deploymentId(`d-${ticks}`) };
  };
  const definitionOf = (row: AppVersionRow | undefined): AppDefinition | null => {
    const json = row?.definition;
    return json === undefined ? null : { ...json, id: String(json['id']), instances: Number(json['instances']) };
  };
  const newest = (id: AppId): AppVersionRow | undefined => versions.get(id)?.at(-1);
  const changed = (...ids: AppId[]) => changeListeners.forEach((listener) => listener(new Set(ids)));
  const known = (id: AppId): AppVersionRow => {
    const row = newest(id);
    if (row === undefined) throw new EkidenError('app-not-found', `App '${id}' does not exist`);
    return row;
  };

  const normalized = (change: AppChange) => {
    const given = change.id === null ? normalizeApp({ ...change, current: null }, { defaultRole: '*' }) : null;
    const id = change.id ?? appId(given?.definition.id ?? '');
    const current = definitionOf(newest(id));
    if (change.expect === 'absent' && current !== null) throw new EkidenError('app-exists', `An app with id [${id}] already exists.`);
    if (change.expect === 'present') known(id);
    const result = given ?? normalizeApp({ ...change, current }, { defaultRole: '*' });
    const definition = assignServicePorts({ definition: result.definition, former: current, taken: new Set(), min: 10_000, max: 20_000 });
    return { id, current, definition, warnings: result.warnings };
  };

  const view: PaasView = {
    apps: () => [...versions.keys()].map((id) => ({ id, generation: 1, desiredVersion: newest(id)?.version ?? null, activeVersion: null })),
    app: (id) => view.apps().find((row) => row.id === id) ?? null,
    version: (id, version) => versions.get(id)?.find((row) => row.version === version) ?? null,
    versions: (id) => versions.get(id) ?? [],
    instances: (id) => instancesOf.get(id) ?? [],
    instanceOfTask: () => null,
    health: () => 'unknown',
    counts: (id) => ({ staged: 0, running: instancesOf.get(id)?.length ?? 0, healthy: 0, unhealthy: 0 }),
    deployments: () => running,
    deploymentsOf: (id) => running.filter((row) => row.changes.some((change) => change.appId === id)),
    readiness: () => [],
    failure: () => null,
    queue: () => waiting,
    resizing: () => [],
    plan: () => null,
    frameworkId: null,
  };

  return {
    isLeading: true,
    isConnected: true,
    stopped: new Promise(() => undefined),
    sizes: () => ({}),
    view,
    instancesOf,
    running,
    waiting,
    calls,
    changed,
    emit(type, fields = {}) {
      const payload = { ...fields, eventType: type, timestamp: new Date(START).toISOString() };
      eventListeners.forEach((listener) => listener({ seq: 1, type, at: START, payload }));
    },
    start: async () => undefined,
    stop: async () => undefined,
    async changeApps(changes, options) {
      calls.push({ name: 'changeApps', args: [changes, options] });
      const wanted = changes.map(normalized);
      const told = receipt();
      const apps = wanted.map(({ id, current, definition }) => {
        const row = { appId: id, version: told.version, configVersion: told.version, scalingVersion: told.version, spec: toAppSpec(definition), definition };
        versions.set(id, [...(versions.get(id) ?? []), row]);
        return { version: row, created: current === null };
      });
      changed(...wanted.map(({ id }) => id));
      return { ...told, apps, warnings: wanted.flatMap(({ warnings }) => warnings) };
    },
    previewApps: (changes) => ({
      apps: changes.map(normalized).map(({ id, current, definition }) => ({
        appId: id,
        action: current === null ? 'create' : 'restart',
        changedFields: current === null ? [] : [...classifyChange(current, definition).restart],
        tasksToRestart: 0,
        tasksToResize: 0,
        definition,
      })),
    }),
    async rollbackApp(id, version) {
      known(id);
      if (view.version(id, version) === null)
        throw new EkidenError('version-not-found', `App '${id}' does not exist in version ${new Date(version).toISOString()}`);
      return receipt();
    },
    async restartApp(id) {
      known(id);
      return receipt();
    },
    async deleteApp(id, options) {
      calls.push({ name: 'deleteApp', args: [id, options] });
      known(id);
      versions.delete(id);
      changed(id);
      return receipt();
    },
    async killTasks(ids, options) {
      if (options.scale) return { kind: 'deployment', ...receipt() };
      const instances = [...instancesOf.values()]
        .flat()
        .filter(({ id, condition }) => ids.includes(id) || ('task' in condition && ids.includes(condition.task.taskId)));
      return { kind: 'killed', instances };
    },
    async killAppTasks(id, _host, options) {
      return options.scale ? { kind: 'deployment', ...receipt() } : { kind: 'killed', instances: instancesOf.get(id) ?? [] };
    },
    async cancelDeployment(id, options) {
      if (!running.some((row) => row.id === id)) throw new EkidenError('deployment-not-found', `DeploymentPlan ${id} does not exist`);
      return options.force ? null : receipt();
    },
    async resetDelay(id) {
      if (!waiting.some((item) => item.appId === id)) throw new EkidenError('queue-item-not-found', `Application ${id} not found in tasks queue.`);
    },
    deploymentHistory: async () => running,
    onEvent(listener) {
      eventListeners.add(listener);
      return () => void eventListeners.delete(listener);
    },
    onChange(listener) {
      changeListeners.add(listener);
      return () => void changeListeners.delete(listener);
    },
  };
}
