/** `/v2/tasks`, `/v2/deployments` and `/v2/queue` (Marathon: 6.6, 6.7, 6.9). */
import { Controller, Delete, Get, Inject, Post, Req, Res } from '@nestjs/common';
import { deploymentId, EkidenError } from '@ekiden/model';
import { parseWith } from '@ekiden/marathon-api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { sendEmpty, sendJson, sendReceipt } from './answer.js';
import { AppTasks } from './app-tasks.js';
import { bodyOf } from './change-request.js';
import { flag, queryOf } from './query.js';
import { tasksOf } from './render-app.js';
import { renderDeployment } from './render-deployment.js';
import { renderQueue } from './render-queue.js';
import { idOf, segmentsAfter } from './request-path.js';
import { RIM, type Rim } from './rim.js';

const MAX_IDS = 10_000;
const deleteTasksSchema = z.object({ ids: z.array(z.string().max(1_000)).max(MAX_IDS) });

@Controller()
export class TasksController {
  constructor(
    @Inject(RIM) private readonly rim: Rim,
    @Inject(AppTasks) private readonly tasks: AppTasks,
  ) {}

  /** Tasks of deleted apps are listed until they are gone. */
  @Get('v2/tasks')
  list(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const query = queryOf(request.raw.url ?? '/');
    const wanted = [...query.getAll('status'), ...query.getAll('status[]')].filter((status) => status === 'running' || status === 'staging');
    const states = new Set<unknown>(wanted.map((status) => (status === 'running' ? 'TASK_RUNNING' : 'TASK_STAGING')));
    const { view } = this.rim.api;
    const all = view.apps().flatMap(({ id }) => tasksOf(view, id, true));
    sendJson(reply, { tasks: states.size === 0 ? all : all.filter(({ state }) => states.has(state)) });
  }

  @Post('v2/tasks/delete')
  async kill(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { ids } = parseWith(deleteTasksSchema, bodyOf(request));
    const strange = ids.find((id) => !/[._]/.test(id));
    if (strange !== undefined)
      throw new EkidenError('bad-request', `Invalid task id '${strange.slice(0, 300)}': it has the form <app>.instance-<uuid>._app.<n>`);
    await this.tasks.killMany(ids, queryOf(request.raw.url ?? '/'), reply);
  }

  @Get('v2/deployments')
  deployments(@Res() reply: FastifyReply): void {
    const { view } = this.rim.api;
    sendJson(
      reply,
      view.deployments().map((row) => renderDeployment(view, row)),
    );
  }

  @Delete('v2/deployments/:id')
  async cancel(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const [raw = ''] = segmentsAfter(request.raw.url ?? '/', '/v2/deployments');
    const receipt = await this.rim.api.cancelDeployment(deploymentId(raw), { force: flag(queryOf(request.raw.url ?? '/'), 'force') });
    if (receipt === null) return sendEmpty(reply, 202);
    sendReceipt(reply, receipt);
  }

  @Get('v2/queue')
  queue(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const withOffers = queryOf(request.raw.url ?? '/')
      .getAll('embed')
      .includes('lastUnusedOffers');
    sendJson(reply, renderQueue(this.rim.api.view, withOffers));
  }

  @Delete('v2/queue/*')
  async resetDelay(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const parts = segmentsAfter(request.raw.url ?? '/', '/v2/queue');
    if (parts.at(-1) !== 'delay' || parts.length < 2) throw new EkidenError('method-not-allowed', 'Method Not Allowed');
    await this.rim.api.resetDelay(idOf(parts.slice(0, -1)));
    sendEmpty(reply, 204);
  }
}
