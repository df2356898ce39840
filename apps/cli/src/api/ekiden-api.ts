/** The API's calls by name; each command uses a few of them. Ids go into paths as they are: `/shop/web` → /v2/apps/shop/web. */
import type { z } from 'zod';
import { CliError } from '../cli-error.js';
import { openStream, request, type HttpTarget } from './http.js';
import * as shape from './shapes.js';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Receipt {
  readonly deploymentId: string;
  readonly version: string;
  /** Fields that were accepted as advice only. */
  readonly warnings: readonly string[];
}

export type EkidenApi = ReturnType<typeof ekidenApi>;

export function ekidenApi(target: HttpTarget) {
  const read = async <T>(schema: z.ZodType<T>, path: string): Promise<T> => parse(schema, path, (await request(target, 'GET', path)).body);
  const change = async (method: string, path: string, body?: unknown): Promise<Receipt> => {
    const { body: answer, headers } = await request(target, method, path, body);
    const result = parse(shape.DeploymentResult, path, answer);
    return { deploymentId: result.deploymentId, version: result.version, warnings: readWarnings(headers) };
  };
  return {
    url: target.url,
    apps: async () => (await read(shape.AppList, '/v2/apps')).apps,
    app: async (id: string) => (await read(shape.OneApp, appPath(id) + query({ embed: 'app.lastTaskFailure' }))).app,
    tasks: async () => (await read(shape.TaskList, '/v2/tasks')).tasks,
    tasksOf: async (id: string) => (await read(shape.TaskList, `${appPath(id)}/tasks`)).tasks,
    versions: async (id: string) => (await read(shape.Versions, `${appPath(id)}/versions`)).versions,
    /** One app or several in one deployment; the whole spec replaces what was. */
    putApps: (specs: readonly AppSpecFile[], force: boolean) => {
      const [only] = specs;
      const options = query({ force, partialUpdate: false });
      return specs.length === 1 && only !== undefined ? change('PUT', appPath(only.id) + options, only) : change('PUT', `/v2/apps${options}`, specs);
    },
    preview: async (specs: readonly AppSpecFile[]) =>
      parse(shape.Preview, 'preview', (await request(target, 'POST', '/ekiden/v1/preview?partialUpdate=false', specs)).body),
    /** PATCH, not PUT: of an app that does not exist it says just that. */
    scale: (id: string, instances: number, force: boolean) => change('PATCH', appPath(id) + query({ force }), { instances }),
    rollback: (id: string, version: string, force: boolean) => change('PUT', appPath(id) + query({ force }), { version }),
    restart: (id: string, force: boolean) => change('POST', `${appPath(id)}/restart${query({ force })}`),
    deleteApp: (id: string, force: boolean) => change('DELETE', appPath(id) + query({ force })),
    killApp: async (id: string, options: Query) => (await request(target, 'DELETE', `${appPath(id)}/tasks${query(options)}`)).body,
    killTasks: async (ids: readonly string[], options: Query) => (await request(target, 'POST', `/v2/tasks/delete${query(options)}`, { ids })).body,
    runningDeployments: () => read(shape.RunningDeployments, '/v2/deployments'),
    deployment: (id: string) => read(shape.Deployment, `/ekiden/v1/deployments/${encodeURIComponent(id)}`),
    deploymentHistory: async (options: Query) => (await read(shape.DeploymentHistory, `/ekiden/v1/deployments${query(options)}`)).deployments,
    cancelDeployment: async (id: string, force: boolean) =>
      (await request(target, 'DELETE', `/v2/deployments/${encodeURIComponent(id)}${query({ force })}`)).body,
    images: (id: string) => read(shape.Images, `/ekiden/v1/apps${pathPart(id)}/images`),
    why: (id: string) => read(shape.Why, `/ekiden/v1/why${absolute(id)}`),
    nodes: async () => (await read(shape.NodeList, '/ekiden/v1/nodes')).nodes,
    log: (taskId: string, stream: string, offset: number, length: number) =>
      read(shape.LogPart, `/ekiden/v1/tasks/${encodeURIComponent(taskId)}/logs/${stream}${query({ offset, length })}`),
    /** What the tasks of an app use, or of all. */
    statistics: (id: string | undefined) => read(shape.Statistics, id === undefined ? '/ekiden/v1/statistics' : `/ekiden/v1/apps${pathPart(id)}/statistics`),
    /** Server-sent events, from the offset on. */
    followLog: (taskId: string, stream: string, offset: number) =>
      openStream(target, `/ekiden/v1/tasks/${encodeURIComponent(taskId)}/logs/${stream}${query({ offset })}`, new AbortController().signal),
    events: (types: readonly string[], signal: AbortSignal) =>
      openStream(target, `/v2/events${types.length === 0 ? '' : `?${types.map((type) => `event_type=${encodeURIComponent(type)}`).join('&')}`}`, signal),
  };
}

export type AppSpecFile = Readonly<Record<string, unknown>> & { readonly id: string };

export const absolute = (id: string): string => (id.startsWith('/') ? id : `/${id}`);

const appPath = (id: string): string => `/v2/apps${pathPart(id)}`;

const pathPart = (id: string): string =>
  absolute(id)
    .split('/')
    .map((part) => encodeURIComponent(part))
    .join('/');

function query(values: Query): string {
  const parts = Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${encodeURIComponent(String(value))}`]));
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

/** RFC 7234: `299 ekiden "text"`. */
function readWarnings(headers: Headers): readonly string[] {
  return [...(headers.get('warning') ?? '').matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) => (match[1] ?? '').replace(/\\(.)/g, '$1'));
}

function parse<T>(schema: z.ZodType<T>, what: string, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new CliError(
    `the answer of ${what} is not what this ekiden understands: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
    'is this address an Ekiden, and of the same version?',
  );
}
