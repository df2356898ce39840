/** `/v2/events`, `/v2/info`, `/v2/leader`, `/v2/plugins` and `/metrics` (Marathon: 6.10, 6.11). `/ping` is answered in `gate.ts`. */
import { Controller, Delete, Get, Inject, Req, Res } from '@nestjs/common';
import { EkidenError } from '@ekiden/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { preferredType } from './accept.js';
import { sendJson } from './answer.js';
import { wantedApps } from './app-filters.js';
import { EventStream } from './event-stream.js';
import { commonHeaders } from './common-headers.js';
import { queryOf } from './query.js';
import { renderInfo } from './render-info.js';
import { RIM, type Rim } from './rim.js';

/** Time for the answer to leave before the lead is given up. */
const ABDICATE_AFTER_MS = 500;

@Controller()
export class SystemController {
  constructor(
    @Inject(RIM) private readonly rim: Rim,
    @Inject(EventStream) private readonly stream: EventStream,
  ) {}

  @Get('v2/events')
  events(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const accepted = (request.headers.accept ?? '').split(',').map((type) => type.trim());
    if (!accepted.includes('text/event-stream')) throw new EkidenError('method-not-allowed', 'the event stream is sent only to who accepts text/event-stream');
    this.stream.assertRoom();
    const types = queryOf(request.raw.url ?? '/').getAll('event_type');
    reply.hijack();
    this.stream.attach(reply.raw, request.ip, types.length === 0 ? null : new Set(types), commonHeaders(this.rim));
  }

  @Get('v2/info')
  async info(@Res() reply: FastifyReply): Promise<void> {
    const { api, config, masters, buildVersion } = this.rim;
    const leader = await this.rim.leader();
    const port = Number(config.address.split(':').at(-1));
    const httpPort = Number.isInteger(port) ? port : null;
    const source = { config, elected: api.isLeading, leader: leader?.address ?? null, frameworkId: api.view.frameworkId, masters, buildVersion, httpPort };
    sendJson(reply, renderInfo(source));
  }

  @Get('v2/leader')
  async leader(@Res() reply: FastifyReply): Promise<void> {
    const leader = await this.rim.leader();
    if (leader === null) throw new EkidenError('no-leader', 'There is no leader');
    sendJson(reply, { leader: leader.address });
  }

  /** The answer is out before the lead is given up (Marathon: 6.10). */
  @Delete('v2/leader')
  async abdicate(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const query = queryOf(request.raw.url ?? '/');
    if (query.has('backup') || query.has('restore'))
      throw new EkidenError(
        'not-supported',
        'backup and restore with a change of the leader are not supported: leave them out, and back up the database itself',
      );
    const { api, clock, log } = this.rim;
    if (!api.isLeading || (await this.rim.leader()) === null) throw new EkidenError('no-leader', 'There is no leader');
    log.warn('abdicating', { inMs: ABDICATE_AFTER_MS });
    clock.after(ABDICATE_AFTER_MS, () => this.rim.abdicate());
    sendJson(reply, { message: 'Leadership abdicated', details: [] });
  }

  @Get('v2/plugins')
  plugins(@Res() reply: FastifyReply): void {
    sendJson(reply, { plugins: [] });
  }

  /** Marathon's figures as JSON; for who prefers text, the same as `/metrics/prometheus`. */
  @Get('metrics')
  async metrics(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    if (preferredType(request.headers.accept, ['application/json', 'text/plain']) === 'text/plain') return this.prometheus(reply);
    const { view } = this.rim.api;
    const apps = wantedApps(view);
    const counts = apps.map(({ appId }) => view.counts(appId));
    const sum = (pick: (of: (typeof counts)[number]) => number): { readonly value: number } => ({ value: counts.reduce((total, of) => total + pick(of), 0) });
    const gauges = {
      'marathon.apps.active.gauge': { value: apps.length },
      'marathon.deployments.active.gauge': { value: view.deployments().length },
      'marathon.instances.staged.gauge': sum(({ staged }) => staged),
      'marathon.instances.running.gauge': sum(({ running }) => running),
      'marathon.http.event-streams.active.gauge': { value: this.stream.size },
    };
    sendJson(reply, { version: '4.0.0', counters: {}, gauges, histograms: {}, meters: {}, timers: {} });
  }

  @Get('metrics/prometheus')
  async prometheus(@Res() reply: FastifyReply): Promise<void> {
    const { registry } = this.rim.metrics;
    void reply.header('content-type', registry.contentType).send(await registry.metrics());
  }
}
