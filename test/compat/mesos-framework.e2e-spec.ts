/** The unmodified npm package mesos-framework is a framework beside paas-api on Ekiden's master. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ekiden, eventually, HOME } from '../e2e/ekiden.js';
import { installFromNpm, run, type Installed } from './third-party.js';

const TIMEOUT_MS = 360_000;

let ekiden: Ekiden;
let client: Installed | null = null;
beforeAll(async () => {
  client = await installFromNpm('mesos-framework@0.5.3');
  if (client !== null) ekiden = await Ekiden.start();
}, TIMEOUT_MS);
afterAll(async () => {
  client?.remove();
  await ekiden?.end();
}, TIMEOUT_MS);

it(
  'subscribes, launches a task, sees it run, kills it, and is torn down',
  async () => {
    if (client === null) return;
    const token = readFileSync(join(ekiden.dataDir, 'tokens/join'), 'utf8').trim();
    const { code, output } = await run(client.program, [join(HOME, 'test/compat/mesos-framework-client.cjs'), client.folder, String(ekiden.masterPort), token]);
    const steps = output.split('\n').filter((line) => /^(subscribed|accepted|TASK_|kill sent|torn down|failed)/.test(line));
    expect({ code, steps }).toEqual({
      code: 0,
      steps: ['subscribed with ids', 'accepted', 'TASK_RUNNING', 'kill sent', 'TASK_KILLED', 'torn down'],
    });
    await eventually('nothing of it runs', () => ekiden.taskProcesses().length === 0);
  },
  TIMEOUT_MS,
);
