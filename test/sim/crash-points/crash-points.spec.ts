/** Two deployments interrupted at every step, for each change; `npm run test:sim -- --crash-points` does it to all, and twice. */
import { describe as describeCase, enumerate, readCrash, singleCrashes, writeCrash } from './crash-points.js';
import { crashRun } from './crash-run.js';
import { DEPLOYMENTS, type Deployment } from './deployments.js';

const TIMEOUT_MS = 120_000;

function named(name: string): Deployment {
  const found = DEPLOYMENTS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no deployment is called ${name}`);
  return found;
}

describe('a deployment that is interrupted at every step', () => {
  it.each(['create', 'scale down'])(
    '(%s) becomes what was asked for, and no step is done twice',
    async (name) => {
      const deployment = named(name);
      const calls = await enumerate(deployment);
      const failed: string[] = [];
      for (const one of singleCrashes(deployment, calls, 'short')) {
        const run = await crashRun(deployment, one.crashes, one.absence);
        if (run.breaches.length > 0) failed.push([describeCase(one, run), ...run.breaches].join('\n'));
      }
      expect(failed).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('the calls of a deployment', () => {
  it('are those of all parts, on all their ports, and the same each time', async () => {
    const calls = await enumerate(named('create'));
    const names = (part: string): string[] => (calls.get(part) ?? []).map(({ name }) => name);
    expect([...calls.keys()]).toEqual(['agent-1', 'agent-2', 'master', 'paas-api']);
    expect(names('paas-api')).toEqual(expect.arrayContaining(['store.commit', 'transport.call ACCEPT', 'transport.call ACKNOWLEDGE']));
    expect(names('master')).toEqual(
      expect.arrayContaining(['link.send launch', 'link.send acknowledge', 'stream.event OFFERS', 'stream.event UPDATE', 'store.confirm']),
    );
    expect(names('agent-1')).toEqual(expect.arrayContaining(['sandboxes.create', 'checkpoints.saveTask', 'runtime.launch', 'link.send status', 'probe.http']));
    expect(await enumerate(named('create'))).toEqual(calls);
  });

  it('have names that can be typed', () => {
    for (const text of ['agent-1:4:after', 'paas-api/1:12:during']) expect(writeCrash(readCrash(text))).toBe(text);
    expect(() => readCrash('agent-1:x:after')).toThrow('no crash point');
  });
});

describe('a step that is done twice', () => {
  it('is seen', async () => {
    const deployment = named('create');
    const { breaches } = await crashRun({ ...deployment, expected: { ...deployment.expected, starts: 2, versions: 0 } }, [], 'short');
    expect(breaches.join('\n')).toMatch(/processes started: 3, expected 2[^]*versions made: 1, expected 0/);
  });

  it('is an end that is told to nobody, and a process that should have lived', async () => {
    const deployment = named('scale up');
    const meanwhile: Deployment['meanwhile'] = (world) => {
      const victim = world.processes()[0];
      world.clock.after(100, () => world.hosts.forEach(({ machine }) => victim !== undefined && machine.end(victim.taskId, { code: 0 })));
    };
    const { breaches } = await crashRun({ ...deployment, meanwhile }, [], 'short');
    expect(breaches.join('\n')).toMatch(/processes started: 3, expected 2[^]*processes that ran before and still do: 1, expected 2/);
  });
});
