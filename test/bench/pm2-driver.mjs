// PM2's programmatic API in a process of its own: takes orders by IPC, measures each, answers { id, ms } or { id, error }.
// Arguments: the folder in which PM2 is installed. PM2_HOME comes from the environment.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const pm2 = createRequire(join(process.argv[2], 'package.json'))('pm2');
const call = (name, ...args) =>
  new Promise((resolve, reject) =>
    pm2[name](...args, (error, answer) => (error ? reject(error instanceof Error ? error : new Error(JSON.stringify(error))) : resolve(answer))),
  );

const APP = 'bench';
const words = (line) => (/[$>;]/.test(line) ? ['/bin/sh', '-c', line] : line.split(' '));

const orders = {
  connect: () => call('connect'),
  start: ({ count, line }) => {
    const [script, ...args] = words(line);
    // A crash loop is what is measured: the least `min_uptime` that it takes keeps PM2 from giving up on it.
    return call('start', { name: APP, script, args, interpreter: 'none', exec_mode: 'fork', instances: count, min_uptime: 100, max_restarts: 1_000_000 });
  },
  reload: ({ batch }) => call('reload', APP, { parallel: batch }),
  scale: ({ count }) => call('scale', APP, count),
  clear: () => call('delete', APP),
  kill: () => call('killDaemon'),
};

process.on('message', (message) => void answer(message));
process.on('disconnect', () => process.exit(0));

async function answer({ id, order, ...args }) {
  const began = performance.now();
  try {
    await orders[order](args);
    process.send({ id, ms: performance.now() - began });
  } catch (error) {
    process.send({ id, error: error.message });
  }
}
