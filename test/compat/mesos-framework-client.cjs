/**
 * What people do with the npm package mesos-framework, against a real Ekiden master:
 *
 *   node mesos-framework-client.cjs <folder with node_modules> <master port> <token>
 *
 * Run by mesos-framework.e2e-spec.ts. It subscribes, lets the library's own offer handler launch one task, waits until it runs,
 * kills it, and tears the framework down. Prints one line a step; ends with 0 when all was as the library's users expect.
 */
const { mkdirSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');

const [folder, port, token] = process.argv.slice(2);
// The library writes its log below the working directory.
mkdirSync(join(folder, 'logs'), { recursive: true });
process.chdir(folder);
const { Scheduler, Mesos } = createRequire(join(folder, 'package.json'))('mesos-framework');
const mesos = Mesos.getMesos();
const BOUND_MS = 60_000;

const scheduler = new Scheduler({
  masterUrl: '127.0.0.1',
  port: Number(port),
  frameworkName: 'compat',
  logging: { level: 'debug' },
  restartStates: [],
  tasks: {
    sleeper: {
      priority: 1,
      instances: 1,
      commandInfo: new mesos.CommandInfo(null, null, true, 'exec sleep 1000', null, null),
      resources: { cpus: 0.1, mem: 32, ports: 1, disk: 0 },
    },
  },
});
// The library knows no tokens; the header goes with each of its requests.
scheduler.requestTemplate.headers.Authorization = `Bearer ${token}`;

const say = (step, more = '') => console.log(`${step} ${more}`.trim());
const fail = (why) => {
  console.log(`failed: ${why}`);
  process.exit(1);
};
setTimeout(() => fail(`not done in ${BOUND_MS} ms`), BOUND_MS).unref();

let isKilled = false;
scheduler.on('ready', () => scheduler.subscribe());
scheduler.on('subscribed', ({ frameworkId, mesosStreamId }) => say('subscribed', frameworkId !== '' && mesosStreamId !== '' ? 'with ids' : 'without ids'));
scheduler.on('offers', ({ offers }) => say('offers', String(offers.length)));
scheduler.on('sent_accept', () => say('accepted'));
scheduler.on('sent_acknowledge', () => say('acknowledged'));
scheduler.on('sent_kill', () => say('kill sent'));
scheduler.on('heartbeat', () => say('heartbeat'));
scheduler.on('update', ({ status }) => {
  say(status.state);
  if (status.state === 'TASK_RUNNING' && !isKilled) {
    isKilled = true;
    scheduler.kill(status.task_id.value, status.agent_id.value);
  }
  if (status.state === 'TASK_KILLED') scheduler.once('sent_acknowledge', () => scheduler.teardown());
});
scheduler.on('sent_teardown', () => {
  say('torn down');
  setTimeout(() => process.exit(0), 100);
});
// The master ends the stream of a framework that it was told to tear down.
scheduler.on('error', (error) =>
  /connection was closed/.test(error.message) && isKilled ? say('stream ended') : fail(error.message ?? JSON.stringify(error)),
);
