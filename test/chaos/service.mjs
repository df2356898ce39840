/**
 * A user's service: answers over HTTP, can be asked whether it is well, ends in order when told to, and keeps a journal of its
 * life that nobody but itself writes (start, term, exit), so that how it ended is known without asking Ekiden.
 *
 * BROKEN: it is never well. CRASH_MS: it ends by itself. DEAF: it does not listen to SIGTERM.
 */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const { BROKEN, CRASH_MS, DEAF, HOST, CHAOS_JOURNAL = '', MESOS_TASK_ID = '', PORT0 } = process.env;
const ANSWER_AFTER_MS = 5;

const note = (what) => appendFileSync(join(CHAOS_JOURNAL, MESOS_TASK_ID), `${Date.now()} ${what}\n`);
note(`start ${process.pid}`);

const server = createServer((request, response) => {
  response.setHeader('connection', 'close');
  if (request.url === '/health') {
    response.statusCode = BROKEN ? 500 : 200;
    return response.end(BROKEN ? 'broken' : 'well');
  }
  setTimeout(() => response.end(MESOS_TASK_ID), ANSWER_AFTER_MS);
});
server.listen(Number(PORT0), HOST);

process.on('SIGTERM', () => {
  note('term');
  if (DEAF) return;
  server.close(() => {
    note('exit 0');
    process.exit(0);
  });
});

if (CRASH_MS)
  setTimeout(() => {
    note('exit 7');
    process.exit(7);
  }, Number(CRASH_MS));
