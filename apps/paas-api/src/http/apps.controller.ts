/** `/v2/apps`: what should run (Marathon: 6.1 to 6.4). Parses, calls, answers; ids are read by `request-path.ts`. */
import { All, Controller, Delete, Get, Inject, Patch, Post, Put, Req, Res } from '@nestjs/common';
import { EkidenError, isoTime, type AppId } from '@ekiden/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppChange } from '../paas-api.js';
import { nameDeployment, sendJson, sendReceipt, sendText, warn } from './answer.js';
import { AppTasks } from './app-tasks.js';
import { AppReads } from './app-reads.js';
import { appsBelow, filterApps } from './app-filters.js';
import { bodyOf, bulkChange, callerOf, listOf, notFound, rollbackVersion } from './change-request.js';
import { LIST_EMBEDS, readEmbeds, SINGLE_EMBEDS } from './embed.js';
import { flag, queryOf } from './query.js';
import { renderVersion, wantedVersion } from './render-app.js';
import { parseAppPath } from './request-path.js';
import { RIM, type Rim } from './rim.js';

@Controller()
export class AppsController {
  constructor(
    @Inject(RIM) private readonly rim: Rim,
    @Inject(AppReads) private readonly reads: AppReads,
    @Inject(AppTasks) private readonly tasks: AppTasks,
  ) {}

  @Get('v2/apps')
  list(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const query = queryOf(urlOf(request));
    const embeds = readEmbeds(query.getAll('embed'), LIST_EMBEDS);
    const apps = filterApps(this.rim.api.view, query).map((row) => this.reads.fragment(row, embeds));
    const text = `{"apps":[${apps.join(',')}]}`;
    sendText(reply, embeds.taskStats ? text : this.reads.keep(urlOf(request), null, text));
  }

  @Get('v2/apps/*')
  read(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const path = parseAppPath(urlOf(request));
    switch (path.kind) {
      case 'all':
        return this.list(request, reply);
      case 'below':
        return this.readBelow(path.group, request, reply);
      case 'tasks-below':
        return this.tasks.listBelow(path.group, reply);
      case 'tasks':
        return this.tasks.list(path.id, reply);
      case 'app':
        return this.readOne(path.id, request, reply);
      case 'versions':
        return sendJson(reply, { versions: this.versionsOf(path.id).map((row) => isoTime(row.version)) });
      case 'version': {
        const row = this.rim.api.view.version(this.versionsOf(path.id)[0]?.appId ?? path.id, path.version);
        if (row === null) throw new EkidenError('version-not-found', `App '${path.id}' does not exist in version ${isoTime(path.version)}`);
        return sendJson(reply, renderVersion(row));
      }
      case 'restart':
      case 'task':
        throw new EkidenError('method-not-allowed', 'Method Not Allowed');
    }
  }

  @Post('v2/apps')
  async create(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const result = await this.change(request, [{ id: null, body: bodyOf(request), partial: false, expect: 'absent' }]);
    const [created] = result.apps;
    if (created === undefined) throw new EkidenError('invalid-object', 'nothing was created');
    warn(reply, result.warnings);
    const counts = { tasksStaged: 0, tasksRunning: 0, tasksHealthy: 0, tasksUnhealthy: 0 };
    const body = { ...created.version.definition, version: isoTime(created.version.version), ...counts, deployments: [{ id: result.deploymentId }] };
    sendJson(nameDeployment(reply, result).header('location', this.locationOf(request, created.version.appId)), body, 201);
  }

  @Post('v2/apps/*')
  async restart(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const path = parseAppPath(urlOf(request));
    if (path.kind === 'all') return this.create(request, reply);
    if (path.kind !== 'restart') throw new EkidenError('method-not-allowed', 'Method Not Allowed');
    sendReceipt(reply, await this.rim.api.restartApp(path.id, { force: flag(queryOf(urlOf(request)), 'force') }));
  }

  @Put('v2/apps')
  async replaceMany(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const partial = flag(queryOf(urlOf(request)), 'partialUpdate', true);
    const result = await this.change(
      request,
      listOf(bodyOf(request)).map((body) => bulkChange(body, partial, 'any')),
    );
    warn(reply, result.warnings);
    sendReceipt(reply, result);
  }

  @Put('v2/apps/*')
  async replace(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const path = parseAppPath(urlOf(request));
    if (path.kind === 'all') return this.replaceMany(request, reply);
    await this.changeOne(appOf(path), flag(queryOf(urlOf(request)), 'partialUpdate', true), 'any', request, reply);
  }

  @Patch('v2/apps')
  async updateMany(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const result = await this.change(
      request,
      listOf(bodyOf(request)).map((body) => bulkChange(body, true, 'present')),
    );
    warn(reply, result.warnings);
    sendReceipt(reply, result);
  }

  @Patch('v2/apps/*')
  async update(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const path = parseAppPath(urlOf(request));
    if (path.kind === 'all') return this.updateMany(request, reply);
    await this.changeOne(appOf(path), true, 'present', request, reply);
  }

  /** `force` is true by default here, and only here. */
  @Delete('v2/apps/*')
  async remove(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const path = parseAppPath(urlOf(request));
    const query = queryOf(urlOf(request));
    if (path.kind === 'tasks') return this.tasks.killAll(path.id, query, reply);
    if (path.kind === 'task') return this.tasks.killOne(path.id, path.taskId, query, reply);
    if (path.kind === 'restart') throw new EkidenError('app-not-found', `App '${path.id}/restart' does not exist`);
    sendReceipt(reply, await this.rim.api.deleteApp(appOf(path), { force: flag(query, 'force', true) }));
  }

  /** Pods are not there: a probe for them (`HEAD`) and every read say 404, which clients understand as "not supported". */
  @All('v2/pods')
  pods(@Req() request: FastifyRequest): never {
    if (request.method !== 'POST' && request.method !== 'PUT' && request.method !== 'PATCH')
      throw new EkidenError('route-not-found', 'pods are not supported yet');
    throw new EkidenError('not-supported', 'pods are not supported yet: deploy each container as an app of its own, in one group of ids');
  }

  @All('v2/pods/*')
  podsBelow(@Req() request: FastifyRequest): never {
    return this.pods(request);
  }

  private async changeOne(id: AppId, partial: boolean, expect: AppChange['expect'], request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const body = bodyOf(request);
    const force = flag(queryOf(urlOf(request)), 'force');
    const version = rollbackVersion(body, partial);
    if (version !== null) return sendReceipt(reply, await this.rim.api.rollbackApp(id, version, { force, caller: callerOf(request) }));
    const result = await this.change(request, [{ id, body, partial, expect }]);
    warn(reply, result.warnings);
    const isNew = result.apps[0]?.created === true;
    if (isNew) void reply.header('location', this.locationOf(request, id));
    sendReceipt(reply, result, isNew ? 201 : 200);
  }

  private change(request: FastifyRequest, changes: readonly AppChange[]) {
    return this.rim.api.changeApps(changes, { force: flag(queryOf(urlOf(request)), 'force'), caller: callerOf(request) });
  }

  private readOne(id: AppId, request: FastifyRequest, reply: FastifyReply): void {
    const embeds = readEmbeds(queryOf(urlOf(request)).getAll('embed'), SINGLE_EMBEDS);
    const app = this.reads.app(id, embeds);
    if (app === null) throw notFound(id);
    const text = `{"app":${app}}`;
    sendText(reply, embeds.taskStats ? text : this.reads.keep(urlOf(request), id, text));
  }

  private readBelow(group: string, request: FastifyRequest, reply: FastifyReply): void {
    const embeds = readEmbeds(queryOf(urlOf(request)).getAll('embed'), SINGLE_EMBEDS);
    const apps = appsBelow(this.rim.api.view, group);
    if (apps.length === 0 && group !== '/') throw new EkidenError('group-not-found', `Group '${group}' does not exist`);
    sendText(reply, `{"*":[${apps.map((row) => this.reads.fragment(row, embeds)).join(',')}]}`);
  }

  /** Newest first. */
  private versionsOf(id: AppId) {
    if (wantedVersion(this.rim.api.view, id) === null) throw notFound(id);
    return [...this.rim.api.view.versions(id)].sort((a, b) => b.version - a.version);
  }

  /** Marathon leaves `/v2/apps` out (quirk Q11). */
  private locationOf(request: FastifyRequest, id: AppId): string {
    return `http://${request.headers.host ?? this.rim.config.address}${id}`;
  }
}

const urlOf = (request: FastifyRequest): string => request.raw.url ?? '/';

function appOf(path: ReturnType<typeof parseAppPath>): AppId {
  if (path.kind === 'app') return path.id;
  throw new EkidenError('method-not-allowed', 'Method Not Allowed');
}
