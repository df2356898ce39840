/** Puts the HTTP layer together and listens. Everything of Nest and Fastify that is configuration stands here. */
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from '../app.module.js';
import { openAgentGateway } from './agent-gateway.js';
import { ErrorFilter } from './error.filter.js';
import { registerGate } from './gate.js';
import { MAX_CALL_BYTES, type Rim } from './rim.js';
import { SchedulerController } from './scheduler.controller.js';

export interface OpenHttp {
  /** The port listened on, also when it was asked for as 0. */
  readonly port: number;
  close(): Promise<void>;
}

/** Resolves when it listens. Rejects when the address is taken. */
export async function openHttp(rim: Rim, listen: { readonly host: string; readonly port: number }): Promise<OpenHttp> {
  const adapter = new FastifyAdapter({ bodyLimit: MAX_CALL_BYTES, forceCloseConnections: true, rewriteUrl: ({ url = '/' }) => withoutProcess(url) });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.of(rim), adapter, { logger: false, bodyParser: false, abortOnError: false });
  const server = adapter.getInstance();
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  registerGate(server, rim);
  app.useGlobalFilters(new ErrorFilter(rim.log));
  const gateway = openAgentGateway(server.server, rim);
  await app.listen(listen.port, listen.host);
  const address = server.server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : listen.port,
    close: async () => {
      gateway.close();
      app.get(SchedulerController).close();
      await app.close();
    },
  };
}

/** `/master/x` means `/x`, and a trailing slash nothing (reference: 5.1). */
export const withoutProcess = (url: string): string => url.replace(/^\/master(?=\/)/, '').replace(/(?<=[^/])\/(?=$|\?)/, '');
