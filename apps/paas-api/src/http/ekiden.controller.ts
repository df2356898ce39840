/** `/ekiden/v1`: what Marathon has no place for. Why something waits, plans, previews, history, nodes, what tasks use, logs. */
import { Controller, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { EkidenError, type AppId } from '@ekiden/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppChange } from '../paas-api.js';
import type { LogRequest } from './agent-log.js';
import { sendJson } from './answer.js';
import { MAX_HISTORY, MAX_LOG_BYTES, MAX_STATISTICS_TASKS } from './bounds.js';
import { bodyOf, bulkChange, listOf, notFound } from './change-request.js';
import { readNodes } from './nodes.js';
import { flag, integer, queryOf } from './query.js';
import { renderHistory } from './render-deployment.js';
import { renderImages } from './render-images.js';
import { renderWhy } from './render-why.js';
import { idOf, segmentsAfter } from './request-path.js';
import { RIM, type Rim } from './rim.js';
import { followLog, sendLog, wantsEvents } from './task-logs.js';
import { readStatistics, readTaskStatistics } from './task-statistics.js';

const ONLY_UPGRADED = 'this path is a WebSocket: send Upgrade: websocket and Sec-WebSocket-Protocol: ekiden.exec.v1, as `ekiden exec` does';
const DEFAULT_HISTORY = 50;
const DEFAULT_LOG_BYTES = 64 * 1024;
const DEFAULT_STATISTICS_TASKS = 1_000;

@Controller('ekiden/v1')
export class EkidenController {
  constructor(@Inject(RIM) private readonly rim: Rim) {}

  @Get('why/*')
  why(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const id = idOf(segmentsAfter(request.raw.url ?? '/', '/ekiden/v1/why'));
    this.assertKnown(id);
    sendJson(reply, renderWhy(this.rim.api.view, id));
  }

  /** `/plan`, `/images`, or what its tasks use. */
  @Get('apps/*')
  async ofApp(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const parts = segmentsAfter(request.raw.url ?? '/', '/ekiden/v1/apps');
    const last = parts.at(-1);
    if (last === 'exec') throw new EkidenError('bad-request', ONLY_UPGRADED);
    if ((last !== 'plan' && last !== 'statistics' && last !== 'images') || parts.length < 2) throw new EkidenError('route-not-found', 'URI not found');
    const id = idOf(parts.slice(0, -1));
    this.assertKnown(id);
    if (last === 'statistics') return sendJson(reply, await readStatistics(this.rim, id, statisticsLimit(request)));
    if (last === 'images') return sendJson(reply, renderImages(this.rim.api.view, id));
    const plan = this.rim.api.view.plan(id);
    sendJson(reply, { appId: id, plan });
  }

  /** What a change would do; nothing is stored. A list, or one app. */
  @Post(['preview', 'apps'])
  @HttpCode(200)
  preview(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const body = bodyOf(request);
    const partial = flag(queryOf(request.raw.url ?? '/'), 'partialUpdate');
    const changes: AppChange[] = listOf(Array.isArray(body) ? body : [body]).map((entry) => bulkChange(entry, partial, 'any'));
    sendJson(reply, this.rim.api.previewApps(changes));
  }

  @Get('deployments')
  async deployments(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const query = queryOf(request.raw.url ?? '/');
    const app = query.get('app');
    const appId = app === null || app === '' ? null : idOf(app.split('/').filter((part) => part !== ''));
    const limit = integer(query, 'limit', { min: 1, max: MAX_HISTORY, byDefault: DEFAULT_HISTORY });
    const { api } = this.rim;
    const rows = await api.deploymentHistory({ appId, limit });
    // One that runs is shown as it is now, with what it waits for.
    const running = new Map(api.view.deployments().map((row) => [row.id, row]));
    sendJson(reply, { deployments: rows.map((row) => renderHistory(api.view, running.get(row.id) ?? row)) });
  }

  @Get('deployments/:id')
  async deployment(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const [id = ''] = segmentsAfter(request.raw.url ?? '/', '/ekiden/v1/deployments');
    const { api } = this.rim;
    const running = api.view.deployments().find((row) => row.id === id);
    const row = running ?? (await api.deploymentHistory({ appId: null, limit: MAX_HISTORY })).find((ended) => ended.id === id);
    if (row === undefined) throw new EkidenError('deployment-not-found', `DeploymentPlan ${id.slice(0, 80)} does not exist`);
    sendJson(reply, renderHistory(api.view, row));
  }

  @Get('nodes')
  async nodes(@Res() reply: FastifyReply): Promise<void> {
    sendJson(reply, await readNodes(this.rim));
  }

  @Get('statistics')
  async statistics(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    sendJson(reply, await readStatistics(this.rim, null, statisticsLimit(request)));
  }

  @Get('tasks/:taskId/statistics')
  async taskStatistics(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const [taskId = ''] = segmentsAfter(request.raw.url ?? '/', '/ekiden/v1/tasks');
    sendJson(reply, await readTaskStatistics(this.rim, taskId));
  }

  @Get('tasks/:taskId/logs/:name')
  async logs(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const [taskId = '', , name] = segmentsAfter(request.raw.url ?? '/', '/ekiden/v1/tasks');
    if (name !== 'stdout' && name !== 'stderr') throw new EkidenError('route-not-found', 'a task has the logs stdout and stderr');
    const query = queryOf(request.raw.url ?? '/');
    const wanted: LogRequest = {
      taskId,
      name,
      offset: integer(query, 'offset', { min: -1, max: Number.MAX_SAFE_INTEGER, byDefault: 0 }),
      length: integer(query, 'length', { min: 0, max: MAX_LOG_BYTES, byDefault: DEFAULT_LOG_BYTES }),
    };
    const follows = wantsEvents(request) || flag(query, 'follow');
    await (follows ? followLog(this.rim, wanted, request, reply) : sendLog(this.rim, wanted, reply));
  }

  /** Those that are upgraded do not come here (exec-gateway.ts). */
  @Get('tasks/:taskId/exec')
  exec(): void {
    throw new EkidenError('bad-request', ONLY_UPGRADED);
  }

  private assertKnown(id: AppId): void {
    if (this.rim.api.view.app(id) === null) throw notFound(id);
  }
}

const statisticsLimit = (request: FastifyRequest): number =>
  integer(queryOf(request.raw.url ?? '/'), 'limit', { min: 1, max: MAX_STATISTICS_TASKS, byDefault: DEFAULT_STATISTICS_TASKS });
