/**
 * The OpenAPI document behind `/docs`, made from the schemas of `libs/marathon-api` and the table of routes below.
 *
 * It is written down and not scanned from the controllers: their routes are wildcards, since an app id has any number of parts.
 */
import type { OpenAPIObject } from '@nestjs/swagger';
import * as wire from '@ekiden/marathon-api';
import { z } from 'zod';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

interface Route {
  readonly method: Method;
  readonly path: string;
  readonly says: string;
  readonly query?: readonly string[];
  readonly body?: z.ZodType;
  readonly answer?: z.ZodType;
  readonly status?: number;
}

const route = (method: Method, path: string, says: string, more: Partial<Omit<Route, 'method' | 'path' | 'says'>> = {}): Route => ({
  method,
  path,
  says,
  ...more,
});
const result = { answer: wire.deploymentResultSchema };
const free = z.looseObject({});
const statistics = z.object({
  at: z.string(),
  tasks: z.array(z.looseObject({ appId: z.string(), instanceId: z.string(), taskId: z.string(), agentId: z.string(), host: z.string() })),
  leftOut: z.number(),
  unanswered: z.array(z.object({ agentId: z.string(), host: z.string(), tasks: z.number(), why: z.string() })),
});

/** Offsets count from the first byte that the task ever wrote, over all rotations. */
const logSchema = z.object({
  data: z.string(),
  offset: z.number(),
  nextOffset: z.number(),
  size: z.number(),
  begin: z.number(),
  keptUntil: z.string().nullable(),
});
const EXEC = 'a WebSocket of the subprotocol ekiden.exec.v1 (docs/tasks/run-a-command-in-a-task.md)';

const ROUTES: readonly Route[] = [
  route('get', '/v2/apps', 'All apps', { query: ['cmd', 'id', 'label', 'embed'], answer: wire.appListSchema }),
  route('post', '/v2/apps', 'Create an app', { query: ['force'], body: wire.appInputSchema, answer: wire.appInfoSchema, status: 201 }),
  route('put', '/v2/apps', 'Create or change several apps in one deployment', {
    query: ['force', 'partialUpdate'],
    body: z.array(wire.appInputSchema),
    ...result,
  }),
  route('patch', '/v2/apps', 'Change several apps in one deployment', { query: ['force'], body: z.array(wire.appInputSchema), ...result }),
  route('get', '/v2/apps/{id}', 'One app', { query: ['embed'], answer: wire.singleAppSchema }),
  route('put', '/v2/apps/{id}', 'Create or change an app, or go back to a version', {
    query: ['force', 'partialUpdate'],
    body: wire.appInputSchema,
    ...result,
  }),
  route('patch', '/v2/apps/{id}', 'Change an app', { query: ['force'], body: wire.appInputSchema, ...result }),
  route('delete', '/v2/apps/{id}', 'Delete an app; force is true by default', { query: ['force'], ...result }),
  route('post', '/v2/apps/{id}/restart', 'Replace all tasks of an app', { query: ['force'], ...result }),
  route('get', '/v2/apps/{id}/tasks', 'Tasks of an app', { answer: wire.taskListSchema }),
  route('delete', '/v2/apps/{id}/tasks', 'Kill tasks of an app', { query: ['host', 'scale', 'wipe', 'force'], answer: wire.taskListSchema }),
  route('delete', '/v2/apps/{id}/tasks/{taskId}', 'Kill one task', { query: ['scale', 'wipe', 'force'] }),
  route('get', '/v2/apps/{id}/versions', 'Versions of an app, newest first', { answer: wire.versionsSchema }),
  route('get', '/v2/apps/{id}/versions/{version}', 'An app as it was in a version', { answer: wire.appInfoSchema }),
  route('get', '/v2/groups', 'The tree of apps', { query: ['embed'] }),
  route('get', '/v2/tasks', 'Tasks of all apps', { query: ['status'], answer: wire.taskListSchema }),
  route('post', '/v2/tasks/delete', 'Kill tasks by id', {
    query: ['scale', 'wipe', 'force'],
    body: z.object({ ids: z.array(z.string()) }),
    answer: wire.taskListSchema,
  }),
  route('get', '/v2/deployments', 'Running deployments', { answer: z.array(wire.deploymentSchema) }),
  route('delete', '/v2/deployments/{deploymentId}', 'Roll a deployment back; with force: stop it where it is', { query: ['force'], ...result }),
  route('get', '/v2/queue', 'Instances that wait to be launched, and why', { query: ['embed'], answer: wire.queueSchema }),
  route('delete', '/v2/queue/{id}/delay', 'Launch without waiting for the back-off', { status: 204 }),
  route('get', '/v2/events', 'Server-sent events; needs Accept: text/event-stream', { query: ['event_type'] }),
  route('get', '/v2/info', 'About this process and its options', { answer: wire.infoSchema }),
  route('get', '/v2/leader', 'Who leads', { answer: z.object({ leader: z.string() }) }),
  route('delete', '/v2/leader', 'Give up the lead; the process ends and is started again', { answer: wire.errorSchema }),
  route('get', '/v2/plugins', 'None', { answer: z.object({ plugins: z.array(free) }) }),
  route('get', '/ping', 'pong'),
  route('get', '/metrics', 'Figures as JSON, or as Prometheus text to who prefers it'),
  route('get', '/metrics/prometheus', 'Figures as Prometheus text'),
  route('get', '/ekiden/v1/why/{id}', 'Why an app is not as wanted, in sentences', { answer: free }),
  route('get', '/ekiden/v1/apps/{id}/plan', 'The newest plan of an app: budget, counts, what it waits for', { answer: free }),
  route('get', '/ekiden/v1/apps/{id}/images', 'Which image, by its digest, each version and each task of an app runs', { answer: free }),
  route('post', '/ekiden/v1/preview', 'What a change would do; nothing is stored', {
    query: ['partialUpdate'],
    body: z.array(wire.appInputSchema),
    answer: free,
  }),
  route('get', '/ekiden/v1/deployments', 'Deployments, ended ones too, newest first', { query: ['app', 'limit'], answer: free }),
  route('get', '/ekiden/v1/deployments/{deploymentId}', 'One deployment, ended or not', { answer: free }),
  route('get', '/ekiden/v1/nodes', 'Agents as the master knows them', { answer: free }),
  route('get', '/ekiden/v1/apps/{id}/statistics', 'What the tasks of an app use, asked of their agents, and which of those did not answer', {
    query: ['limit'],
    answer: statistics,
  }),
  route('get', '/ekiden/v1/statistics', 'The same of all apps, those that use most cpu first', { query: ['limit'], answer: statistics }),
  route('get', '/ekiden/v1/tasks/{taskId}/statistics', 'What one task uses: now, in the last hour, in the last day', { answer: free }),
  route(
    'get',
    '/ekiden/v1/tasks/{taskId}/logs/{name}',
    'stdout or stderr of a task: a piece by offset, as text that goes on with follow=true, or as server-sent events',
    {
      query: ['offset', 'length', 'follow'],
      answer: logSchema,
    },
  ),
  route('get', '/ekiden/v1/tasks/{taskId}/exec', `Run a command in a task: ${EXEC}`, { status: 101 }),
  route('get', '/ekiden/v1/apps/{id}/exec', `Run a command in the oldest running instance of an app, or in the one whose id follows it: ${EXEC}`, {
    status: 101,
  }),
];

const json = (schema: z.ZodType, io: 'input' | 'output') => ({
  'application/json': { schema: z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'openapi-3.0' }) },
});

export function openApiDocument(): OpenAPIObject {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const entry of ROUTES) paths[entry.path] = { ...paths[entry.path], [entry.method]: operation(entry) };
  return {
    openapi: '3.0.3',
    info: {
      title: 'Ekiden',
      version: '1',
      description: "Marathon's API, and Ekiden's own under /ekiden/v1. Refusals name the field, the rule and the way out.",
    },
    paths,
  };
}

function operation(entry: Route): Record<string, unknown> {
  const inPath = [...entry.path.matchAll(/\{(\w+)\}/g)].map((match) => ({ name: match[1] ?? '', in: 'path', required: true, schema: { type: 'string' } }));
  const inQuery = (entry.query ?? []).map((name) => ({ name, in: 'query', required: false, schema: { type: 'string' } }));
  return {
    summary: entry.says,
    tags: [entry.path.split('/')[1] === 'ekiden' ? 'ekiden' : (entry.path.split('/')[2] ?? 'system')],
    parameters: [...inPath, ...inQuery],
    ...(entry.body === undefined ? {} : { requestBody: { required: true, content: json(entry.body, 'input') } }),
    responses: {
      [String(entry.status ?? 200)]: { description: 'done', ...(entry.answer === undefined ? {} : { content: json(entry.answer, 'output') }) },
      default: { description: 'refused or failed', content: json(wire.errorSchema, 'output') },
    },
  };
}
