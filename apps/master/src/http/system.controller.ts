/** What every master answers about itself, leading or not: health, version, figures, and where the leader is. */
import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { MESOS_VERSION } from '../framework/subscribe.js';
import { sendText } from './gate.js';
import { MasterMetrics, snapshotOf } from './metrics.js';
import { RIM, type Rim } from './rim.js';

@Controller()
export class SystemController {
  private readonly metrics = new MasterMetrics();

  constructor(@Inject(RIM) private readonly rim: Rim) {}

  @Get('health')
  health(@Res() reply: FastifyReply): void {
    void reply.code(200).header('content-length', '0').send();
  }

  /** Numbers and dots only: clients compare it with Mesos' versions. */
  @Get('version')
  version(): Readonly<Record<string, string>> {
    return { version: MESOS_VERSION, ekiden_version: this.rim.config.version };
  }

  @Get('redirect')
  async redirect(@Res() reply: FastifyReply): Promise<void> {
    const own = `${this.rim.config.hostname}:${this.rim.config.port}`;
    const leader = this.rim.master.isLeading ? own : await this.rim.leader();
    if (leader === null) sendText(reply, 503, 'No leader elected');
    else void reply.code(307).header('location', `//${leader}`).send();
  }

  @Get('metrics/snapshot')
  snapshot(): Readonly<Record<string, number>> {
    return snapshotOf(this.rim.master, (this.rim.now() - this.rim.startedAtMs) / 1000);
  }

  @Get('metrics/prometheus')
  async prometheus(@Res() reply: FastifyReply): Promise<void> {
    void reply.header('content-type', this.metrics.contentType).send(await this.metrics.text(this.rim.master));
  }
}
