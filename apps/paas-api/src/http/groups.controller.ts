/** `/v2/groups`, read-only: the tree that the apps' ids make (Marathon: 6.5). Writes are refused until they are built. */
import { All, Controller, Inject, Req, Res } from '@nestjs/common';
import { EkidenError, isoTime } from '@ekiden/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppVersionRow } from '../store/paas-store.js';
import { sendJson } from './answer.js';
import { appsBelow } from './app-filters.js';
import { NO_EMBEDS, readEmbeds, type Embeds } from './embed.js';
import { queryOf } from './query.js';
import { renderApp } from './render-app.js';
import { groupOf, segmentsAfter } from './request-path.js';
import { RIM, type Rim } from './rim.js';
import type { Json } from './stored-definition.js';

interface Shown {
  readonly apps: boolean;
  readonly groups: boolean;
  readonly embeds: Embeds;
}

@Controller()
export class GroupsController {
  constructor(@Inject(RIM) private readonly rim: Rim) {}

  @All('v2/groups')
  root(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.below(request, reply);
  }

  @All('v2/groups/*')
  below(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    if (request.method === 'GET' || request.method === 'HEAD') return this.read(request, reply);
    throw new EkidenError('not-supported', 'changes of groups are not supported yet: send the apps as a list to PUT /v2/apps, which is one deployment too');
  }

  private read(request: FastifyRequest, reply: FastifyReply): void {
    const url = request.raw.url ?? '/';
    const parts = segmentsAfter(url, '/v2/groups');
    const embed = queryOf(url).getAll('embed');
    if (parts.at(-1) === 'apps') {
      const embeds = readEmbeds(embed, NO_EMBEDS);
      return sendJson(
        reply,
        appsBelow(this.rim.api.view, groupOf(parts.slice(0, -1))).map((row) => renderApp(this.rim.api.view, row, embeds, this.rim.clock.now())),
      );
    }
    if (parts.includes('versions')) throw new EkidenError('not-supported', 'versions of groups are not supported yet: see the versions of each app');
    const group = groupOf(parts);
    const apps = appsBelow(this.rim.api.view, group);
    if (apps.length === 0 && group !== '/') throw new EkidenError('group-not-found', `Group '${group}' does not exist`);
    const shown: Shown = {
      apps: embed.length === 0 || embed.includes('group.apps'),
      groups: embed.length === 0 || embed.includes('group.groups'),
      embeds: readEmbeds(
        embed.filter((name) => name.startsWith('group.apps.')),
        NO_EMBEDS,
      ),
    };
    sendJson(reply, this.renderGroup(group, apps, shown));
  }

  private renderGroup(group: string, apps: readonly AppVersionRow[], shown: Shown): Json {
    const prefix = group === '/' ? '/' : `${group}/`;
    const own: AppVersionRow[] = [];
    const below = new Map<string, AppVersionRow[]>();
    for (const row of apps) {
      const [first = '', ...rest] = row.appId.slice(prefix.length).split('/');
      if (rest.length === 0) own.push(row);
      else below.set(first, [...(below.get(first) ?? []), row]);
    }
    return {
      id: group,
      apps: shown.apps ? own.map((row) => renderApp(this.rim.api.view, row, shown.embeds, this.rim.clock.now())) : [],
      pods: [],
      groups: shown.groups ? [...below].map(([name, rows]) => this.renderGroup(prefix + name, rows, shown)) : [],
      dependencies: [],
      version: isoTime(apps.reduce((newest, { version }) => Math.max(newest, version), 0)),
      ...(group !== '/' && group.lastIndexOf('/') === 0 ? { enforceRole: false } : {}),
    };
  }
}
