/** `/docs`, `/docs/…` and `/docs-json`: the site is opened by the first who asks, and kept. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DocsSite } from './docs-site.js';

/** What of the site's answer is passed on; the rest belongs to the connection, or is ours. */
const PASSED_ON = ['content-type', 'location', 'etag', 'last-modified'] as const;

/** Answers what ends it. */
export function serveDocs(server: FastifyInstance): { close(): Promise<void> } {
  let opening: Promise<DocsSite> | null = null;
  const open = async (): Promise<DocsSite> => (await import('./docs-site.js')).openDocsSite();
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    opening ??= open();
    const { status, headers, body } = await (await opening).answer(request.raw.url ?? '/docs');
    for (const name of PASSED_ON) if (headers[name] !== undefined) void reply.header(name, headers[name]);
    return reply.code(status).send(body);
  };
  for (const path of ['/docs', '/docs/*', '/docs-json']) server.get(path, answer);
  return {
    async close() {
      await (await opening)?.close();
    },
  };
}
