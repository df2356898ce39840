/** A task that asks for what the machine cannot give is told so, and one that asks for nothing is not. */
import { taskId } from '@ekiden/model';
import { abilitiesOf } from './abilities.js';
import { refuseWants } from './refuse-launch.js';
import type { LaunchSpec } from './runtime.js';
import type { SecurityAbilities } from './try-security.js';

const ROOTS = 'needs an agent that runs as root';
const none: SecurityAbilities = {
  user: ROOTS,
  capabilities: ROOTS,
  'no-new-privs': null,
  seccomp: 'install the package bubblewrap',
  namespaces: ROOTS,
  'pid-namespace': 'install the package tini',
  'private-tmp': ROOTS,
};
const aSpec = (asked: Partial<LaunchSpec>): LaunchSpec => ({
  taskId: taskId('web.1'),
  sandbox: '/s',
  runDir: '/r',
  command: { kind: 'shell', line: 'true' },
  env: {},
  user: null,
  limits: { cpusMilli: 100, memMib: 32 },
  ...asked,
});

describe('what a task asks for', () => {
  const onProcess = abilitiesOf('process', none);

  it('is refused with every reason where the runtime cannot give it', () => {
    const why = refuseWants(aSpec({ limits: { cpusMilli: 100, memMib: 32, memLimitMib: 64, pids: 10 } }), onProcess);
    expect(why).toContain('a limit of memory');
    expect(why).toContain('a limit of processes');
    expect(why).toContain('run the agent as root');
  });

  it('is refused once for each program that is missing', () => {
    expect(refuseWants(aSpec({ namespaces: ['pid', 'ipc'], privateTmp: true, security: { seccomp: 'default' } }), onProcess)).toBe(
      `install the package bubblewrap; ${ROOTS}; install the package tini`,
    );
  });

  it('is refused when there is no such capability', () => {
    expect(refuseWants(aSpec({ security: { capabilities: ['KILL', 'FLY'] } }), { ...onProcess, capabilities: null })).toBe('there is no capability "FLY"');
  });

  it('is not invented: requests alone are what every runtime takes', () => expect(refuseWants(aSpec({}), onProcess)).toBeNull());

  it('is given by control groups', () => {
    const limits = { cpusMilli: 100, memMib: 32, cpuLimitMilli: 'unlimited', memLimitMib: 64, pids: 10 } as const;
    expect(refuseWants(aSpec({ limits }), abilitiesOf('cgroup', none))).toBeNull();
  });
});
