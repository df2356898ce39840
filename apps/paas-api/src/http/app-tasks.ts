/** Tasks of apps over HTTP: lists, and kills with or without scaling down (Marathon: 6.3, 6.6). */
import { Inject, Injectable } from '@nestjs/common';
import { EkidenError, type AppId } from '@ekiden/model';
import type { FastifyReply } from 'fastify';
import type { KillOptions, KillResult } from '../paas-api.js';
import { sendJson, sendReceipt } from './answer.js';
import { appsBelow } from './app-filters.js';
import { notFound } from './change-request.js';
import { flag } from './query.js';
import { tasksOf, wantedVersion } from './render-app.js';
import { renderTask } from './render-task.js';
import { RIM, type Rim } from './rim.js';
import type { Json } from './stored-definition.js';

@Injectable()
export class AppTasks {
  constructor(@Inject(RIM) private readonly rim: Rim) {}

  list(id: AppId, reply: FastifyReply): void {
    this.assertKnown(id);
    sendJson(reply, { tasks: tasksOf(this.rim.api.view, id) });
  }

  listBelow(group: string, reply: FastifyReply): void {
    sendJson(reply, { tasks: appsBelow(this.rim.api.view, group).flatMap(({ appId }) => tasksOf(this.rim.api.view, appId)) });
  }

  async killAll(id: AppId, query: URLSearchParams, reply: FastifyReply): Promise<void> {
    const options = killOptions(query);
    this.assertKnown(id);
    const host = query.get('host');
    const result = await this.rim.api.killAppTasks(id, host === '*' ? null : host, options);
    this.answer(result, (tasks) => ({ tasks }), reply);
  }

  /** Tolerant of a wrong app id, which clients cut out of the task id (quirk Q8). */
  async killOne(id: AppId, taskId: string, query: URLSearchParams, reply: FastifyReply): Promise<void> {
    const options = killOptions(query);
    const result = await this.rim.api.killTasks([taskId], options);
    if (result.kind === 'killed' && result.instances.length === 0) {
      this.assertKnown(id);
      throw new EkidenError('task-not-found', `Task '${taskId.slice(0, 300)}' does not exist`, { taskId });
    }
    this.answer(result, ([task]) => ({ task }), reply);
  }

  async killMany(ids: readonly string[], query: URLSearchParams, reply: FastifyReply): Promise<void> {
    this.answer(await this.rim.api.killTasks(ids, killOptions(query)), (tasks) => ({ tasks }), reply);
  }

  private answer(result: KillResult, body: (tasks: readonly Json[]) => Json, reply: FastifyReply): void {
    if (result.kind === 'deployment') return sendReceipt(reply, result);
    const tasks = result.instances.map((instance) => renderTask(this.rim.api.view, instance)).filter((task) => task !== null);
    sendJson(reply, body(tasks));
  }

  private assertKnown(id: AppId): void {
    if (wantedVersion(this.rim.api.view, id) === null) throw notFound(id);
  }
}

function killOptions(query: URLSearchParams): KillOptions {
  const options = { scale: flag(query, 'scale'), wipe: flag(query, 'wipe'), force: flag(query, 'force') };
  if (options.scale && options.wipe) throw new EkidenError('bad-request', 'scale and wipe cannot be used together: choose one of them');
  return options;
}
