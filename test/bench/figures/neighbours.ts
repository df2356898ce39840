/** A service beside tasks that mean no good, each within the little that it asked for: what is left to the service? */
import { probeRuntimes } from '@ekiden/isolation';
import { eventually, freePorts } from '../../e2e/ekiden.js';
import type { Context, Figure } from '../context.js';
import { load } from '../load.js';
import { LoneAgent } from '../lone-agent.js';

/** Each answer costs it about a millisecond of a processor. */
const serviceAt = (port: number): string => `exec node -e '
  const { pbkdf2Sync } = require("node:crypto");
  const answer = (_, response) => response.end(pbkdf2Sync("neighbour", "salt", 1000, 32, "sha256").toString("hex"));
  require("node:http").createServer(answer).listen(${port}, "127.0.0.1");
'`;
const SERVICE_SHARE = { cpus: 1, mem: 128 };
const ABUSER_SHARE = { cpus: 0.1, mem: 32 };
/** The first process of each lives on, whatever becomes of the others. */
const ABUSERS: Readonly<Record<string, string>> = {
  'forks without end': 'bomb() { bomb | bomb & }; while :; do bomb; sleep 0.1; done',
  'takes memory by a child': `while :; do node -e 'const held = []; for (;;) held.push(Buffer.alloc(1 << 20, 1))'; done`,
  'takes every processor': 'while :; do :; done & while :; do :; done & while :; do :; done & wait',
  'fills its disk': 'while :; do dd if=/dev/zero of=fill bs=1M count=64 conv=fsync; done',
  'writes lines': 'yes "a line of a log that nobody reads"',
};
const SECONDS = 5;
const QUICK_SECONDS = 1;
const CONNECTIONS = 2;

export const neighbours: Figure = {
  name: 'neighbours',
  isAlone: true,
  async run(context: Context) {
    if ((await probeRuntimes()).cgroup === null) return context.note('neighbours: nothing keeps tasks apart here: there are no control groups to write');
    const agent = await LoneAgent.open('cgroup');
    context.endings.add('the agent with bad neighbours', () => agent.end());
    const [port] = await freePorts(1);
    const url = `http://127.0.0.1:${port}/`;
    const seconds = context.quick ? QUICK_SECONDS : SECONDS;
    const answers = () => load(url, CONNECTIONS, seconds);
    await agent.launch(1, serviceAt(port ?? 0), SERVICE_SHARE);
    await eventually('the service answers', async () => (await fetch(url)).ok);
    await answers(); // the first ones are slow by themselves
    const atRest = [];
    for (let round = 0; round < context.rounds; round += 1) atRest.push(await answers());
    for (const line of Object.values(ABUSERS)) await agent.launch(1, line, ABUSER_SHARE);
    for (const rest of atRest) {
      const beside = await answers();
      const say = (what: string, unit: 'ms' | '/s' | '×', value: number): void => context.sample({ figure: 'neighbours', what, unit, of: 'cgroup', value });
      say('answers of a service, at rest', '/s', rest.perSecond);
      say('answers of a service, beside abusers', '/s', beside.perSecond);
      say('answers, beside by at rest', '×', beside.perSecond / rest.perSecond);
      say('an answer, p99, at rest', 'ms', rest.p99Ms);
      say('an answer, p99, beside abusers', 'ms', beside.p99Ms);
    }
    const names = Object.keys(ABUSERS);
    context.note(`neighbours: of ${names.length} abusers (${names.join(', ')}) ${agent.running.size - 1} still ran at the end`);
  },
};
