/**
 * `POST /api/v1/scheduler`: calls in, and the one endless answer, the event stream (reference: 1.1 and 1.4).
 *
 * Every record is one write and so one chunk; nothing is compressed or held back. A subscriber that does not read is cut off
 * at MAX_UNSENT_BYTES: it subscribes anew and reconciles.
 */
import type { ServerResponse } from 'node:http';
import { Body, Controller, Headers, Inject, Post, Res } from '@nestjs/common';
import { encodeRecord, parseSchedulerCall, type SchedulerCall } from '@ekiden/mesos';
import type { FastifyReply } from 'fastify';
import type { EventSink } from '../master-ports.js';
import { sendText } from './gate.js';
import { readJson } from './read-json.js';
import { MAX_STREAMS, MAX_UNSENT_BYTES, RIM, type Rim } from './rim.js';

@Controller()
export class SchedulerController {
  private readonly streams = new Set<ServerResponse>();

  constructor(@Inject(RIM) private readonly rim: Rim) {}

  @Post('api/v1/scheduler')
  call(
    @Body() body: string,
    @Headers('mesos-stream-id') streamId: string | undefined,
    @Headers('accept') accept: string | undefined,
    @Res() reply: FastifyReply,
  ): void {
    const json = readJson(body);
    if (json.kind === 'problem') return void sendText(reply, 400, json.text);
    const parsed = parseSchedulerCall(json.value);
    if (parsed.kind === 'problem') return void sendText(reply, 400, parsed.text);
    if (parsed.kind === 'unknown-type') return void sendText(reply, 501, `Call '${parsed.type.slice(0, 80)}' is not supported`);
    if (parsed.call.type === 'SUBSCRIBE') return this.subscribe(parsed.call, streamId, accept, reply);
    const answer = this.rim.master.call(streamId ?? null, parsed.call);
    if (answer.text !== '') return void sendText(reply, answer.status, answer.text);
    void reply.code(answer.status).header('content-length', '0').send();
  }

  /** Ends all streams, so that closing the server need not wait for them. */
  close(): void {
    for (const response of this.streams) response.destroy();
  }

  private subscribe(call: SchedulerCall, streamId: string | undefined, accept: string | undefined, reply: FastifyReply): void {
    if (!admitsJson(accept)) return void sendText(reply, 406, "Expecting 'Accept' to allow application/json");
    if (streamId !== undefined) return void sendText(reply, 400, "Subscribe calls should not include the 'Mesos-Stream-Id' header");
    if (this.streams.size >= MAX_STREAMS) return void sendText(reply, 503, `${MAX_STREAMS} schedulers are subscribed, which is the limit`);
    const response = reply.raw;
    const answer = this.rim.master.subscribe(call, this.sinkOf(response));
    if (answer.kind === 'refused') return void sendText(reply, answer.answer.status, answer.answer.text);
    reply.hijack();
    this.streams.add(response);
    response.on('error', (error) => this.rim.log.debug('stream-broken', { streamId: answer.streamId, error }));
    response.on('close', () => {
      this.streams.delete(response);
      this.rim.master.disconnected(answer.streamId);
    });
    response.socket?.setNoDelay(true);
    response.writeHead(200, { 'content-type': 'application/json', 'mesos-stream-id': answer.streamId });
    response.flushHeaders();
  }

  private sinkOf(response: ServerResponse): EventSink {
    return {
      event: (event) => {
        if (response.destroyed || response.writableEnded) return;
        response.write(encodeRecord(event));
        if (response.writableLength <= MAX_UNSENT_BYTES) return;
        this.rim.log.warn('stream-cut', { why: `the scheduler has not read ${MAX_UNSENT_BYTES} bytes` });
        response.destroy();
      },
      close: () => void response.end(),
    };
  }
}

/** No `Accept` is any; quality values are not weighed, there is only one form to choose. */
const admitsJson = (accept: string | undefined): boolean =>
  accept === undefined || accept.split(',').some((one) => ['application/json', 'application/*', '*/*'].includes(one.split(';')[0]?.trim().toLowerCase() ?? ''));
