/**
 * The agent's own HTTP: its tasks, their files, health and metrics. Plain node:http, read only.
 *
 *   GET /health                                                  open
 *   GET /metrics/prometheus                                      open; what each task uses only to who may ask for tasks
 *   GET /ekiden/v1/tasks
 *   GET /containers, /monitor/statistics and so on               what tasks use: serve-statistics.ts
 *   GET /ekiden/v1/tasks/{taskId}/logs/…                         logs, also as they grow: serve-logs.ts
 *   GET /ekiden/v1/tasks/{taskId}/files…                         files of sandboxes: serve-files.ts
 *   GET /files/…                                                 the same in Mesos' words: serve-mesos-files.ts
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { EkidenError, isoTime, type Log } from '@ekiden/model';
import { judgeRequest, type RequestPolicy } from '@ekiden/service';
import type { TaskRecord } from '../agent-ports.js';
import type { AgentView } from '../create-agent.js';
import { keptUntil } from '../sandbox/sandbox-retention.js';
import { json, type Answer, type Served } from './answer.js';
import { serveFiles } from './serve-files.js';
import { serveLogs, type LogPorts } from './serve-logs.js';
import { serveMesosFiles } from './serve-mesos-files.js';
import { serveStatistics, type StatisticsSource } from './serve-statistics.js';

export interface AgentServerPorts extends LogPorts {
  readonly policy: RequestPolicy;
  readonly log: Log;
  tasks(): readonly TaskRecord[];
  view(): AgentView;
  /** Absent: nothing is measured here. */
  readonly statistics?: StatisticsSource;
  metrics(withTasks: boolean): Promise<{ readonly text: string; readonly contentType: string }>;
}

export const OPEN_PATHS: readonly string[] = ['/health', '/metrics/prometheus'];

export function createAgentServer(ports: AgentServerPorts): Server {
  const server = createServer((request, response) => {
    void answer(request, response, ports)
      .catch((error: unknown) => {
        if (error instanceof EkidenError) return json(error.code === 'forbidden' ? 403 : 400, { message: error.message });
        ports.log.error('request-failed', { url: request.url, why: String(error) });
        return json(500, { message: 'the agent could not answer; its log says why' });
      })
      .then((result) => result !== 'answered' && send(response, result));
  });
  server.requestTimeout = 30_000;
  return server;
}

async function answer(request: IncomingMessage, response: ServerResponse, ports: AgentServerPorts): Promise<Answer | 'answered'> {
  const { method = 'GET', url = '/', headers } = request;
  const refusal = judgeRequest({ method, url, headers, remoteAddress: request.socket.remoteAddress }, ports.policy);
  if (refusal) return json(refusal.status, { message: refusal.message });
  if (method !== 'GET') return json(405, { message: `${method} is not possible here: the agent only answers GET` });
  if (!URL.canParse(url, 'http://agent')) return json(400, { message: 'the path is not well formed' });
  const { pathname, searchParams } = new URL(url, 'http://agent');
  if (pathname === '/health') return json(200, { ...ports.view(), tasks: ports.tasks().length });
  if (pathname === '/metrics/prometheus' || pathname === '/metrics') {
    const isKnown = judgeRequest({ method, url, headers, remoteAddress: request.socket.remoteAddress }, { ...ports.policy, openPaths: [] }) === null;
    const { text, contentType } = await ports.metrics(isKnown);
    return { status: 200, headers: { 'content-type': contentType }, body: text };
  }
  if (pathname === '/ekiden/v1/tasks')
    return json(200, { agentId: ports.view().agentId, tasks: await Promise.all(ports.tasks().map((record) => taskView(record, ports))) });
  const served: Served =
    (ports.statistics === undefined ? null : serveStatistics(pathname, searchParams, ports.statistics)) ??
    (await serveLogs(pathname, searchParams, request, response, ports)) ??
    (await serveFiles(pathname, searchParams, ports)) ??
    (await serveMesosFiles(pathname, searchParams, response, ports.workDir));
  return served ?? json(404, { message: `there is nothing at ${pathname}` });
}

const taskView = async (record: TaskRecord, { workDir, retentionMs }: LogPorts): Promise<Readonly<Record<string, unknown>>> => ({
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
  startedAt: record.startedAt === null ? null : isoTime(record.startedAt),
  keptUntil:
    record.stage === 'ended' && record.sandbox !== '' ? isoTime(await keptUntil({ workDir, sandbox: record.sandbox, retentionMs, now: Date.now() })) : null,
});

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
