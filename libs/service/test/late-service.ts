/** A service whose parent is gone before it can listen for that: as after `kill -9` of `ekiden up` while its parts load. */
import { runService } from '../src/run-service.js';

const keepAlive = setInterval(() => {
  if (process.connected) return;
  clearInterval(keepAlive);
  setInterval(() => undefined, 60_000);
  runService('late', () => new Promise(() => undefined));
}, 5);
