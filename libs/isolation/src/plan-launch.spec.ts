/** The text of a launch, looked at as text; real shells try it in create-runtime.spec.ts. */
import { taskId } from '@ekiden/model';
import { commandWords, planLaunch, quote, refuseSpec } from './plan-launch.js';
import type { LaunchSpec } from './runtime.js';
import type { TaskSecurity } from './task-security.js';

const tools = {
  shell: '/bin/sh',
  setsid: '/usr/bin/setsid',
  env: '/usr/bin/env',
  envResetsSignals: true,
  setpriv: '/usr/bin/setpriv',
  chown: '/bin/chown',
  unshare: '/usr/bin/unshare',
  mount: '/bin/mount',
  nsenter: '/usr/bin/nsenter',
  tini: '/usr/bin/tini',
  bwrap: '/usr/bin/bwrap',
  script: '/usr/bin/script',
  stty: '/bin/stty',
  cat: '/bin/cat',
};
const NOTHING: TaskSecurity = { capabilities: 'all', noNewPrivs: false, hasSeccomp: false, namespaces: [], privateTmp: false };
const aSpec = (line: string, env: Record<string, string> = { PATH: '/bin' }): LaunchSpec => ({
  taskId: taskId('web.1'),
  sandbox: '/s',
  runDir: '/r',
  command: { kind: 'shell', line },
  env,
  user: null,
  limits: { cpusMilli: 100, memMib: 32 },
});

describe('a launch file', () => {
  it('enters sandbox, logs and groups, writes the pid, and becomes the task', () => {
    const text = planLaunch(
      aSpec("echo 'hi'; sleep 1", { A: "it's" }),
      {
        bootId: 'b-1',
        tools,
        joinFiles: ['/g/cpu/cgroup.procs'],
        markers: {},
        user: null,
      },
      NOTHING,
    );
    expect(text.split('\n').filter((line) => !line.startsWith('why='))).toEqual([
      '# ekiden-run 1 b-1',
      '# rights {"capabilities":"all","noNewPrivs":false,"hasSeccomp":false,"namespaces":[],"privateTmp":false}',
      "cd '/s' || exit 126",
      'exec >>stdout 2>>stderr',
      "printf 0 >'/g/cpu/cgroup.procs' || exit 126",
      String.raw`printf 'pid %s\n' "$stat" >>"$d/run" || exit 126`,
      'trap - EXIT',
      'unset PWD OLDPWD',
      String.raw`export A='it'\''s'`,
      String.raw`exec '/usr/bin/env' '--default-signal=INT,QUIT' '--' '/usr/bin/setsid' '--' '/bin/sh' '-c' 'echo '\''hi'\''; sleep 1'`,
      '',
    ]);
  });

  it('changes the user last, and lets the task’s own variables win over ours', () => {
    const around = {
      bootId: 'b',
      tools,
      joinFiles: [],
      markers: { EKIDEN_TASK_ID: 'ours' },
      user: { name: 'web', uid: 33, gid: 33 },
    };
    const text = planLaunch(aSpec('./server', { EKIDEN_TASK_ID: 'theirs', LD_PRELOAD: '/x.so' }), around, { ...NOTHING, capabilities: [], noNewPrivs: true });
    expect(text).toContain("export EKIDEN_TASK_ID='theirs'");
    expect(text).toContain(
      "'/usr/bin/setsid' '--' '/usr/bin/setpriv' '--reuid=web' '--regid=33' '--init-groups' '--no-new-privs' '--inh-caps=-all' '--bounding-set=-all' '--' '/usr/bin/env' '--' 'LD_PRELOAD=/x.so' './server'",
    );
    // The sandbox is given away only after the logs are open: its user could otherwise put a link in their place.
    expect(text.indexOf("'/bin/chown' 33:33 . || exit 126")).toBeGreaterThan(text.indexOf('exec >>stdout'));
  });
});

describe('words', () => {
  it.each([
    'echo hi',
    'sleep 1; ls',
    'A=1 run',
    'ls *',
    'exit 3',
    'a | b',
    'run "x"',
    'run $X',
    'run ~',
    'cd /x',
    'run >f',
    'run # no',
    'if x',
    'run\nmore',
    '! x',
    '[ a ]',
    '{ a',
    'run ok=$A',
  ])('of `%s` are a shell’s', (line) => expect(commandWords(aSpec(line), '/bin/sh')).toEqual(['/bin/sh', '-c', line]));

  it.each([
    ['sleep 1000', ['sleep', '1000']],
    [' /opt/web/bin/server  --port=8080 -v ', ['/opt/web/bin/server', '--port=8080', '-v']],
  ])('of `%s` need none', (line, words) => expect(commandWords(aSpec(line), '/bin/sh')).toEqual(words));

  it('need a shell when only a shell has a PATH', () => expect(commandWords(aSpec('server', {}), '/bin/sh')).toEqual(['/bin/sh', '-c', 'server']));

  it('are quoted so that nothing in them is read by a shell', () => expect(quote(`a'b"$(c)\`d\`\n\\`)).toBe(`'a'\\''b"$(c)\`d\`\n\\'`));
});

it('refuses what a shell or the kernel could not carry', () => {
  expect(refuseSpec(aSpec('true'))).toBeNull();
  expect(refuseSpec(aSpec('a\0b'))).toContain('NUL');
  expect(refuseSpec({ ...aSpec('true'), runDir: '/a\nb' })).toContain('line break');
  expect(refuseSpec({ ...aSpec('true'), sandbox: 'relative' })).toContain('absolute');
});
