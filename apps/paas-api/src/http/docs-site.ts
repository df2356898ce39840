/**
 * The page at `/docs` and the document at `/docs-json`, as a small application of its own that listens nowhere.
 *
 * A file apart, so that what draws the page is loaded when somebody asks for it: it weighs more than the rest of the HTTP layer.
 */
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import { openApiDocument } from './openapi.js';

@Module({})
class DocsModule {}

export interface DocsSite {
  answer(url: string): Promise<{ readonly status: number; readonly headers: Readonly<Record<string, unknown>>; readonly body: Buffer }>;
  close(): Promise<void>;
}

export async function openDocsSite(): Promise<DocsSite> {
  const adapter = new FastifyAdapter();
  const app = await NestFactory.create<NestFastifyApplication>(DocsModule, adapter, { logger: false, abortOnError: false });
  SwaggerModule.setup('docs', app, openApiDocument, { jsonDocumentUrl: 'docs-json' });
  await app.init();
  return {
    async answer(url) {
      const { statusCode, headers, rawPayload } = await adapter.getInstance().inject({ method: 'GET', url });
      return { status: statusCode, headers, body: rawPayload };
    },
    close: () => app.close(),
  };
}
