/** Puts the HTTP layer together and listens. Everything of Nest and Fastify that is configuration stands here. */
import type { RequestListener } from 'node:http';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from '../app.module.js';
import { AppReads } from './app-reads.js';
import { MAX_BODY_BYTES } from './bounds.js';
import { ErrorFilter } from './error.filter.js';
import { EventStream } from './event-stream.js';
import { openExecGateway } from './exec-gateway.js';
import { fastServer } from './fast-server.js';
import { registerGate } from './gate.js';
import type { Rim } from './rim.js';
import { serveDocs } from './serve-docs.js';

export interface OpenHttp {
  /** `http://host:port`, with the port that was given when it was asked for as 0. */
  readonly url: string;
  close(): Promise<void>;
}

const MAX_PARAM_LENGTH = 8_192;

/** Resolves when it listens. Rejects when the address is taken. */
export async function openHttp(rim: Rim, listen: { readonly host: string; readonly port: number }): Promise<OpenHttp> {
  const reads = new AppReads(rim.api, () => rim.clock.now());
  const seen = rim.metrics.counter('http_requests_total', 'Requests that came in, by outcome', ['status']);
  const serverFactory = (behind: RequestListener) => fastServer(rim, reads, seen, behind);
  const adapter = new FastifyAdapter({
    serverFactory,
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    forceCloseConnections: true,
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.of(rim, reads), adapter, { logger: false, bodyParser: false, abortOnError: false });
  const server = adapter.getInstance();
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  registerGate(server, rim, seen);
  app.useGlobalFilters(new ErrorFilter(rim.log));
  const docs = serveDocs(server);
  connectStreams(app, rim);
  const exec = openExecGateway(server.server, rim);
  await app.listen(listen.port, listen.host);
  const address = server.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : listen.port;
  return {
    url: `http://${listen.host}:${port}`,
    close: async () => {
      app.get(EventStream).close();
      reads.close();
      exec.close();
      await app.close();
      await docs.close();
    },
  };
}

/** Events flow to subscribers while this process leads; when it stops leading, their streams end and they look for the new leader. */
function connectStreams(app: INestApplicationContext, rim: Rim): void {
  const stream = app.get(EventStream);
  rim.api.onEvent((event) => stream.send(event.payload));
  void rim.api.stopped.then(() => stream.close());
  const gauge = rim.metrics.gauge('event_subscribers', 'Open event streams');
  rim.api.onEvent(() => gauge.set(stream.size));
}
