/**
 * The agent's own HTTP: its tasks, their files, health and metrics. Plain node:http, read only.
 *
 *   GET /health                                                  open
 *   GET /metrics/prometheus                                      open
 *   GET /ekiden/v1/tasks
 *   GET /ekiden/v1/tasks/{taskId}/files?path=DIR                 names in a directory of the sandbox
 *   GET /ekiden/v1/tasks/{taskId}/files/{path}?offset=&length=   bytes; headers x-ekiden-size and x-ekiden-offset
 *
 * A negative offset counts from the end. Sandboxes of ended tasks are served as long as they are kept.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { EkidenError, taskId, type Log, type TaskId } from '@ekiden/model';
import { judgeRequest, type RequestPolicy } from '@ekiden/service';
import type { TaskRecord } from '../agent-ports.js';
import type { AgentView } from '../create-agent.js';
import { listSandbox, MAX_READ_BYTES, readSandboxFile } from '../sandbox/sandbox-files.js';

export interface AgentServerPorts {
  readonly policy: RequestPolicy;
  readonly log: Log;
  tasks(): readonly TaskRecord[];
  view(): AgentView;
  sandboxOf(taskId: TaskId): string;
  metrics(): Promise<{ readonly text: string; readonly contentType: string }>;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: string | Buffer;
}

export const OPEN_PATHS: readonly string[] = ['/health', '/metrics/prometheus'];

export function createAgentServer(ports: AgentServerPorts): Server {
  const server = createServer((request, response) => {
    void answer(request, ports)
      .catch((error: unknown) => {
        if (error instanceof EkidenError) return json(400, { message: error.message });
        ports.log.error('request-failed', { url: request.url, why: String(error) });
        return json(500, { message: 'the agent could not answer; its log says why' });
      })
      .then((result) => send(response, result));
  });
  server.requestTimeout = 30_000;
  return server;
}

async function answer(request: IncomingMessage, ports: AgentServerPorts): Promise<Answer> {
  const { method = 'GET', url = '/', headers } = request;
  const refusal = judgeRequest({ method, url, headers, remoteAddress: request.socket.remoteAddress }, ports.policy);
  if (refusal) return json(refusal.status, { message: refusal.message });
  if (method !== 'GET') return json(405, { message: `${method} is not possible here: the agent only answers GET` });
  if (!URL.canParse(url, 'http://agent')) return json(400, { message: 'the path is not well formed' });
  const { pathname, searchParams } = new URL(url, 'http://agent');
  if (pathname === '/health') return json(200, { ...ports.view(), tasks: ports.tasks().length });
  if (pathname === '/metrics/prometheus' || pathname === '/metrics') {
    const { text, contentType } = await ports.metrics();
    return { status: 200, headers: { 'content-type': contentType }, body: text };
  }
  if (pathname === '/ekiden/v1/tasks') return json(200, { agentId: ports.view().agentId, tasks: ports.tasks().map(taskView) });
  const match = /^\/ekiden\/v1\/tasks\/([^/]+)\/files(?:\/(.+))?$/.exec(pathname);
  if (match) return files(decode(match[1] ?? ''), match[2] === undefined ? null : decode(match[2]), searchParams, ports);
  return json(404, { message: `there is nothing at ${pathname}` });
}

async function files(rawId: string | null, path: string | null, query: URLSearchParams, ports: AgentServerPorts): Promise<Answer> {
  const nothing = json(404, { message: 'no such file in a sandbox of this agent: the task never ran here, or its sandbox is not kept any more' });
  if (rawId === null) return json(400, { message: 'the path is not well encoded' });
  const sandbox = ports.sandboxOf(taskId(rawId));
  if (path === null) {
    const listed = await listSandbox(sandbox, query.get('path') ?? '');
    return listed ? json(200, { files: listed }) : nothing;
  }
  const offset = integer(query.get('offset'), 0);
  const length = integer(query.get('length'), MAX_READ_BYTES);
  if (offset === null || length === null || length < 0) return json(400, { message: 'offset and length have to be integers, length at least 0' });
  const part = await readSandboxFile(sandbox, path, offset, length);
  if (!part) return nothing;
  const headers = {
    'content-type': 'application/octet-stream',
    'x-ekiden-size': part.size,
    'x-ekiden-offset': part.offset,
    'x-content-type-options': 'nosniff',
  };
  return { status: 200, headers, body: part.bytes };
}

const taskView = (record: TaskRecord): Readonly<Record<string, unknown>> => ({
  taskId: record.task.task_id.value,
  frameworkId: record.frameworkId,
  name: record.task.name,
  stage: record.stage,
  state: record.latest?.state ?? 'TASK_STAGING',
  healthy: record.latest?.healthy ?? null,
  message: record.latest?.message ?? null,
  isBeingKilled: record.kill !== null,
  stop: record.stop ?? null,
  unacknowledged: record.unacknowledged.length,
  sandbox: record.sandbox,
  startedAt: record.startedAt === null ? null : new Date(record.startedAt).toISOString(),
});

const json = (status: number, body: unknown): Answer => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // a stray % sign
  }
}

function integer(text: string | null, otherwise: number): number | null {
  if (text === null || text === '') return otherwise;
  return /^-?\d{1,15}$/.test(text) ? Number(text) : null;
}
