/**
 * In which order the apps of one deployment change.
 *
 * Steps run one after another, the actions of a step together. New apps are announced first (Marathon's Start, kept for
 * its clients; it does nothing), then each layer of the dependency graph, what others depend on first; removals come last
 * and dependents before what they depend on, while Marathon stops everything at once and before all else (docs/decisions:
 * a renamed app must not be gone before its successor is there).
 * An app's layer is the length of the longest chain of dependencies below it, through all apps, changed or not.
 */
import type { AppId } from '@ekiden/model';

/** `policy`, `resize`: edits that restart nothing; their Scale action is done when the app is as its target says. */
export type ChangeKind = 'create' | 'scale' | 'restart' | 'policy' | 'resize' | 'delete';

export interface PlannedAction {
  readonly action: 'StartApplication' | 'ScaleApplication' | 'RestartApplication' | 'StopApplication';
  readonly appId: AppId;
}

export interface DeploymentInput {
  readonly changes: readonly { readonly appId: AppId; readonly kind: ChangeKind }[];
  /** Absolute ids of apps or groups; a group means every app below it, an unknown id nothing. */
  readonly dependencies: ReadonlyMap<AppId, readonly string[]>;
  /** All apps, with the changed and the removed ones. */
  readonly apps: readonly AppId[];
}

export type DeploymentSteps =
  | { readonly kind: 'steps'; readonly steps: readonly (readonly PlannedAction[])[] }
  /** `path` begins and ends with the same app. */
  | { readonly kind: 'cycle'; readonly path: readonly AppId[] };

/** Empty steps are left out, so a deployment that changes nothing has none. */
export function planDeployment(input: DeploymentInput): DeploymentSteps {
  const graph = expandDependencies(input.dependencies, [...input.apps, ...input.changes.map((change) => change.appId)]);
  const layers = layersOf(graph);
  if (layers.size < graph.size) return { kind: 'cycle', path: cycleAmong(graph, layers) };

  const starts: PlannedAction[] = [];
  const changing = new Map<number, PlannedAction[]>();
  const stopping = new Map<number, PlannedAction[]>();
  for (const { appId, kind } of input.changes) {
    const layer = layers.get(appId) ?? 1;
    if (kind === 'create') starts.push({ action: 'StartApplication', appId });
    if (kind === 'delete') put(stopping, layer, { action: 'StopApplication', appId });
    else put(changing, layer, { action: kind === 'restart' ? 'RestartApplication' : 'ScaleApplication', appId });
  }
  const inOrder = (steps: ReadonlyMap<number, PlannedAction[]>, sign: 1 | -1): PlannedAction[][] =>
    [...steps].sort(([a], [b]) => sign * (a - b)).map(([, actions]) => actions);
  return { kind: 'steps', steps: [...(starts.length > 0 ? [starts] : []), ...inOrder(changing, 1), ...inOrder(stopping, -1)] };
}

/** A dependency cycle as a path that begins and ends with the same app; null when there is none. */
export function findCycle(dependencies: ReadonlyMap<AppId, readonly string[]>, apps: readonly AppId[]): readonly AppId[] | null {
  const graph = expandDependencies(dependencies, apps);
  const layers = layersOf(graph);
  return layers.size < graph.size ? cycleAmong(graph, layers) : null;
}

type Graph = ReadonlyMap<AppId, ReadonlySet<AppId>>;

/** App → the apps it depends on, groups expanded. An app is no dependency of itself through its own group. */
function expandDependencies(dependencies: ReadonlyMap<AppId, readonly string[]>, apps: readonly AppId[]): Graph {
  const graph = new Map<AppId, Set<AppId>>(apps.map((app) => [app, new Set()]));
  const sorted = [...graph.keys()];
  const known = new Map<string, AppId>(sorted.map((app) => [app, app]));
  const below = new Map<string, readonly AppId[]>();
  const membersOf = (group: string): readonly AppId[] => {
    let members = below.get(group);
    if (members === undefined) {
      const prefix = group === '/' ? '/' : `${group}/`;
      below.set(group, (members = sorted.filter((app) => app.startsWith(prefix))));
    }
    return members;
  };
  for (const [app, needs] of graph) {
    for (const id of dependencies.get(app) ?? []) {
      const one = known.get(id);
      if (one !== undefined) needs.add(one);
      else for (const member of membersOf(id)) if (member !== app) needs.add(member);
    }
  }
  return graph;
}

/** Longest chains, counted from 1, in one pass in topological order. Apps on or above a cycle get none. */
function layersOf(graph: Graph): Map<AppId, number> {
  const dependents = new Map<AppId, AppId[]>();
  const open = new Map<AppId, number>();
  for (const [app, needs] of graph) {
    open.set(app, needs.size);
    for (const need of needs) put(dependents, need, app);
  }
  const layers = new Map<AppId, number>();
  const ready = [...graph.keys()].filter((app) => open.get(app) === 0);
  for (let app = ready.pop(); app !== undefined; app = ready.pop()) {
    let layer = 1;
    for (const need of graph.get(app) ?? []) layer = Math.max(layer, (layers.get(need) ?? 0) + 1);
    layers.set(app, layer);
    for (const dependent of dependents.get(app) ?? []) {
      const left = (open.get(dependent) ?? 0) - 1;
      open.set(dependent, left);
      if (left === 0) ready.push(dependent);
    }
  }
  return layers;
}

/** Every app without a layer needs another without one: following these needs must come back to where it has been. */
function cycleAmong(graph: Graph, layers: ReadonlyMap<AppId, number>): readonly AppId[] {
  const path: AppId[] = [];
  const position = new Map<AppId, number>();
  let app = [...graph.keys()].find((one) => !layers.has(one));
  while (app !== undefined) {
    const seen = position.get(app);
    if (seen !== undefined) return [...path.slice(seen), app];
    position.set(app, path.length);
    path.push(app);
    app = [...(graph.get(app) ?? [])].find((need) => !layers.has(need));
  }
  return path;
}

function put<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
