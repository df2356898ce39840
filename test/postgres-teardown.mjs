/** Stops the embedded Postgres of the store tests, if one was started, and removes its directory. */
import { rm } from 'node:fs/promises';

export default async function teardown() {
  const embedded = globalThis.ekidenTestPostgres;
  if (!embedded) return;
  await embedded.server.stop();
  await rm(embedded.root, { recursive: true, force: true });
}
