/** The unmodified client library marathon-python does against Ekiden what it does against Marathon. */
import { join } from 'node:path';
import { Ekiden, HOME } from '../e2e/ekiden.js';
import { installFromPyPi, run, type Installed } from './third-party.js';

const TIMEOUT_MS = 360_000;

let ekiden: Ekiden;
let client: Installed | null = null;
beforeAll(async () => {
  client = await installFromPyPi('marathon==0.13.0');
  if (client !== null) ekiden = await Ekiden.start();
}, TIMEOUT_MS);
afterAll(async () => {
  client?.remove();
  await ekiden?.end();
}, TIMEOUT_MS);

it(
  'lists, creates, scales, kills, restarts, rolls back, deletes, and follows the events',
  async () => {
    if (client === null) return;
    const { code, output } = await run(client.program, [join(HOME, 'test/compat/marathon-client.py'), ekiden.api]);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('\ndelete\nevents: ') });
  },
  TIMEOUT_MS,
);
