/** Many apps without instances, so that the API and its store are measured and nothing else. */
import type { EkidenContender } from '../ekiden-contender.js';

/** Far below the number of deployments that may run at once. */
const AT_ONCE = 20;

/** Makes them below `/bench/<name>`, and deletes them afterwards. */
export async function withApps(who: EkidenContender, name: string, count: number, use: (ids: readonly string[]) => Promise<void>): Promise<void> {
  const { ekiden } = who;
  const ids = Array.from({ length: count }, (_, index) => `/bench/${name}/a${index}`);
  const each = async (what: string, request: (id: string) => ReturnType<typeof ekiden.send>): Promise<void> => {
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const replies = await Promise.all(ids.slice(at, at + AT_ONCE).map(request));
      const refused = replies.find((reply) => reply.status >= 300);
      if (refused !== undefined) throw new Error(`${what} answered ${refused.status}: ${JSON.stringify(refused.body)}`);
    }
  };
  await each('creating an app', (id) => ekiden.send('PUT', `/v2/apps${id}`, { id, cmd: 'sleep 100000', cpus: 0.1, mem: 32, instances: 0 }));
  try {
    await use(ids);
  } finally {
    await each('deleting an app', (id) => ekiden.send('DELETE', `/v2/apps${id}?force=true`));
  }
}
