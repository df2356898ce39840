/** Every verb of the command line against a real Ekiden: what it does, what it prints, and with which code it ends. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ekiden, eventually, freePorts, HOME, isAlive, type AnyJson } from './ekiden.js';
import { sendRaw } from './raw-request.js';

jest.setTimeout(180_000);

const WEB = { id: '/shop/web', cmd: 'echo hello; exec sleep 100000', cpus: 0.01, mem: 16, instances: 2 };
/** Asks a port on which nobody answers whether it is ready. */
const NEVER_READY = {
  cmd: 'exec sleep 100000',
  cpus: 0.01,
  mem: 16,
  portDefinitions: [{ port: 0, name: 'http' }],
  readinessChecks: [{ portName: 'http', intervalSeconds: 2, timeoutSeconds: 1 }],
  progressDeadlineSeconds: 1,
};

describe('the command line', () => {
  let ekiden: Ekiden;
  let scratch: string;
  const followers: ChildProcess[] = [];

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'ekiden-e2e-cli-'));
    ekiden = await Ekiden.start();
  });
  afterAll(async () => {
    for (const follower of followers) follower.kill('SIGKILL');
    await ekiden?.end();
    rmSync(scratch, { recursive: true, force: true });
  });

  const file = (name: string, content: unknown): string => {
    const path = join(scratch, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };
  const cli = (...args: string[]) => ekiden.cli(...args);
  /** Its answer for scripts. */
  const json = (...args: string[]): AnyJson => {
    const { code, out } = cli(...args, '-o', 'json');
    expect([args, code]).toEqual([args, 0]);
    return JSON.parse(out);
  };

  function follow(...args: string[]): { out: string; child: ChildProcess } {
    const env = { ...process.env, EKIDEN_API: ekiden.api, NO_COLOR: '1' };
    const child = spawn(process.execPath, [join(HOME, 'bin/ekiden.mjs'), ...args], { cwd: HOME, env, stdio: ['ignore', 'pipe', 'inherit'] });
    const following = { out: '', child };
    child.stdout.on('data', (chunk: Buffer) => (following.out += chunk.toString()));
    followers.push(child);
    return following;
  }

  async function interrupt({ child }: { child: ChildProcess }): Promise<void> {
    child.kill('SIGINT');
    await eventually('it has ended', () => child.exitCode !== null || child.signalCode !== null);
  }

  it('deploys: says what would change, creates, and finds nothing to do the second time', () => {
    const spec = file('web.json', WEB);
    expect(cli('deploy', spec, '--dry-run')).toMatchObject({ code: 0, out: expect.stringMatching(/\/shop\/web +create[^]*Nothing was changed/) });
    expect(json('apps')).toEqual([]);
    expect(cli('deploy', spec)).toEqual({ code: 0, out: '/shop/web: done\n' });
    expect(ekiden.taskProcesses()).toHaveLength(2);
    expect(cli('deploy', spec, '--dry-run').out).not.toMatch(/create|roll out/);
    const before = ekiden.taskProcesses();
    const changed = file('changed.json', { ...WEB, cmd: 'sleep 1' });
    expect(cli('deploy', changed, '--dry-run').out).toMatch(/\/shop\/web +roll out a new version: cmd; replaces 2 tasks/);
    expect(json('deploy', changed, '--dry-run')).toMatchObject({ apps: [{ appId: '/shop/web', changedFields: ['cmd'] }] });
    expect(cli('deploy', spec)).toMatchObject({ code: 0 });
    expect(ekiden.taskProcesses()).toEqual(before);
  });

  it('shows apps, one app, its tasks and why it is where it is', async () => {
    expect(cli('apps').out).toMatch(/APP +RUNNING[^]*\/shop\/web +2\/2 .*running/);
    expect(json('apps')).toMatchObject([{ id: '/shop/web', tasksRunning: 2 }]);
    const shown = cli('app', 'shop/web').out;
    for (const { id } of await ekiden.tasks('shop/web')) expect(shown).toContain(id);
    expect(json('app', '/shop/web')).toMatchObject({ id: '/shop/web', instances: 2, tasks: [{ state: 'TASK_RUNNING' }, { state: 'TASK_RUNNING' }] });
    expect(cli('why', '/shop/web')).toMatchObject({ code: 0, out: expect.stringContaining('nothing is waited for') });
    expect(json('why', '/shop/web')).toMatchObject({ appId: '/shop/web' });
  });

  it('shows the nodes', () => {
    expect(cli('nodes').out).toMatch(/AGENT +ADDRESS[^]*127\.0\.0\.1:\d+ +active +2/);
    expect(json('nodes')).toMatchObject([{ state: 'active', tasks: 2, resources: { cpus: expect.any(Number) } }]);
  });

  it('shows what tasks use, as their agent says it to others too', async () => {
    expect(cli('top', 'shop/web').out).toMatch(/APP +INSTANCE +NODE[^]*\/shop\/web +[0-9a-f]{8} +127\.0\.0\.1[^]*\/shop\/web/);
    const { tasks, unanswered } = json('top');
    expect([tasks.length, unanswered]).toEqual([2, []]);
    expect(tasks[0]).toMatchObject({
      appId: '/shop/web',
      cpu: { requestedCpus: 0.01 },
      memory: { requestedBytes: 16 * 1024 * 1024 },
      processes: expect.any(Number),
    });
    // On connections of their own: one that is kept would be closed while the next command blocks this process.
    const { status, text } = await sendRaw({ port: ekiden.apiPort, path: `/ekiden/v1/tasks/${tasks[0].taskId}/statistics` });
    expect([status, JSON.parse(text).now.taskId]).toEqual([200, tasks[0].taskId]);
    const headers = { authorization: `Bearer ${readFileSync(join(ekiden.dataDir, 'tokens/join'), 'utf8').trim()}` };
    const monitored: AnyJson = JSON.parse((await sendRaw({ port: ekiden.agentPort, path: '/monitor/statistics', headers })).text);
    expect(monitored.map((one: AnyJson) => one.source).sort()).toEqual(tasks.map((one: AnyJson) => one.taskId).sort());
    expect(monitored[0].statistics).toMatchObject({ mem_rss_bytes: expect.any(Number), cpus_user_time_secs: expect.any(Number) });
    expect(cli('top', '/no/such').code).toBe(1);
  });

  it('shows logs of all instances, and follows them into the next version', async () => {
    await eventually('both have said hello', () => cli('logs', 'shop/web').out.match(/^shop_web\.\w+ \| hello$/gm)?.length === 2);
    const [task] = await ekiden.tasks('shop/web');
    expect(cli('logs', task.id).out).toMatch(/hello/);
    expect(
      cli('logs', 'shop/web', '-o', 'json')
        .out.trim()
        .split('\n')
        .map((line) => JSON.parse(line).line),
    ).toEqual(['hello', 'hello']);
    const following = follow('logs', 'shop/web', '-f');
    await eventually('it has begun', () => following.out.includes('hello'));
    expect(cli('deploy', file('web.json', { ...WEB, cmd: 'echo second; exec sleep 100000' })).code).toBe(0);
    await eventually('it follows to the new instances', () => following.out.match(/\| second$/gm)?.length === 2);
    await interrupt(following);
  });

  it('runs a command in an instance: its exit status, stdin, streams and environment, and says why it cannot', async () => {
    const [task] = await ekiden.tasks('shop/web');
    expect(cli('exec', 'shop/web', '--', 'sh', '-c', 'exit 7').code).toBe(7);
    expect(cli('exec', task.id, '--', 'sh', '-c', 'echo $MESOS_TASK_ID; pwd').out).toMatch(new RegExp(`^${task.id}\n/.*\n$`));
    const ekidenExec = (stdin: string, ...args: string[]): string =>
      execFileSync(process.execPath, [join(HOME, 'bin/ekiden.mjs'), 'exec', ...args], {
        cwd: HOME,
        env: { ...process.env, EKIDEN_API: ekiden.api, NO_COLOR: '1' },
        input: stdin,
        encoding: 'utf8',
        maxBuffer: 16 * 1024 * 1024,
      });
    const much = 'line of many\n'.repeat(100_000);
    expect(ekidenExec(much, '-i', 'shop/web', '--', 'cat') === much).toBe(true);
    const uuid = /instance-([0-9a-f]{8})/.exec(task.id)?.[1] ?? '';
    expect(ekidenExec('', `shop/web/${uuid}`, '--', 'sh', '-c', 'echo $MESOS_TASK_ID; echo bad >&2')).toBe(`${task.id}\n`);
    expect(cli('exec', 'shop/web', '--', 'no-such-program').code).toBe(127);
    expect(cli('exec', '/nope', '--', 'ls')).toMatchObject({ code: 125, out: expect.stringMatching(/does not exist.*ekiden apps/) });
    expect(cli('exec', 'shop/web/ffff', '--', 'ls')).toMatchObject({ code: 125, out: expect.stringMatching(/'ffff' of '\/shop\/web' does not exist/) });
    expect(cli('exec', '-t', 'shop/web', '--', 'ls')).toMatchObject({ code: 125, out: expect.stringContaining('leave -t out') });
    const logs = readdirSync(join(ekiden.dataDir, 'logs')).map((name) => readFileSync(join(ekiden.dataDir, 'logs', name), 'utf8'));
    expect(logs.join('')).toMatch(new RegExp(`"taskId":"${task.id}".*"program":"sh","words":3`));
    expect(logs.join('')).not.toContain('exit 7');
  });

  it('gives a command this terminal, with its size, and gives it back; and ends it when it is killed itself', async () => {
    const remote = `trap 'stty size' WINCH; stty size; echo up; while [ ! -e leave ]; do sleep 0.05; done; rm leave; exit 9`;
    const quoted = `'${remote.replaceAll(`'`, `'\\''`)}'`;
    const line = `tty; stty -g; "$EKIDEN_NODE" "$EKIDEN_BIN" exec -it shop/web -- sh -c ${quoted}; echo "status $?"; stty -g`;
    const env = {
      ...process.env,
      EKIDEN_API: ekiden.api,
      NO_COLOR: '1',
      SHELL: '/bin/sh',
      EKIDEN_NODE: process.execPath,
      EKIDEN_BIN: join(HOME, 'bin/ekiden.mjs'),
    };
    const child = spawn('script', ['-qefc', line, '/dev/null'], { cwd: HOME, env, stdio: ['pipe', 'pipe', 'inherit'] });
    followers.push(child);
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await eventually('it is up', () => out.includes('up\r\n'));
    const terminal = /^(\/dev\/pts\/\d+)\r\n(\S+)\r\n/.exec(out);
    expect(out).toContain('24 80\r\n');
    execFileSync('stty', ['-F', terminal?.[1] ?? '', 'rows', '33', 'cols', '111']);
    await eventually('the new size has come', () => out.includes('33 111\r\n'));
    expect(cli('exec', 'shop/web', '--', 'touch', 'leave').code).toBe(0);
    await eventually('it has ended', () => child.exitCode !== null);
    expect(out).toContain('status 9\r\n');
    expect(out.trim().split('\r\n').at(-1)).toBe(terminal?.[2]);

    const following = follow('exec', 'shop/web', '--', 'sh', '-c', `setsid sleep 4242 & echo "pids $$ $!"; wait`);
    await eventually('it runs', () => /pids \d+ \d+/.test(following.out));
    const pids = /pids (\d+) (\d+)/.exec(following.out)?.slice(1).map(Number) ?? [];
    following.child.kill('SIGKILL');
    await eventually('all of it is gone', () => pids.every((pid) => !isAlive(pid)));
    expect(ekiden.taskProcesses()).toHaveLength(2);
  });

  it('follows a log over its rotation and the loss of agent and API, and shows every line once', async () => {
    const isThere = (file: string): string => `[ -e "$MESOS_SANDBOX/${file}" ]`;
    const isRotated = `[ $(stat -c %s "$MESOS_SANDBOX/stdout") -lt 1000000 ]`;
    // Above the 10 MiB at which the agent rotates; then nothing, until it has.
    const lines = `seq -f "line %g $(printf %4000s x)" 2700`;
    const until = (condition: string): string => `until ${condition}; do sleep 0.1; done`;
    const cmd = `echo ready; ${until(isThere('go'))}; ${lines}; ${until(isRotated)}; seq -f "line %g" 2701 2750; ${until(isThere('on'))}; seq -f "line %g" 2751 2800; exec sleep 100000`;
    await ekiden.deploy({ ...WEB, id: '/shop/talker', cmd, instances: 1, mem: 64 });
    const [task] = await ekiden.tasks('shop/talker');
    const following = follow('logs', 'shop/talker', '-f');
    await eventually('it follows', () => following.out.includes('| ready'));
    const tell = (word: string): void => writeFileSync(join(ekiden.dataDir, 'agents/1/tasks', task.id, 'sandbox', word), '');
    tell('go');
    await eventually('it has seen what came after the rotation', () => following.out.includes('| line 2750\n'));
    await ekiden.kill('agent');
    await ekiden.kill('api');
    tell('on');
    await eventually('it goes on when they are back', () => following.out.includes('| line 2800\n'));
    const seen = [...following.out.matchAll(/\| line (\d+)/g)].map(([, number]) => Number(number));
    expect(seen).toEqual(Array.from({ length: 2800 }, (_, index) => index + 1));
    await interrupt(following);
    await eventually('the API leads again', async () => (await ekiden.send('DELETE', '/v2/apps/shop/talker')).status === 200);
    await eventually('it has ended', () => ekiden.taskProcesses().every(({ taskId }) => taskId !== task.id));
  });

  it('shows events as they come', async () => {
    const text = follow('events');
    const lines = follow('events', '-t', 'deployment_success', '-o', 'json');
    await eventually('it listens', () => text.out.includes('event_stream_attached'));
    await eventually('both listen', async () => (await ekiden.get('/metrics')).body.gauges['marathon.http.event-streams.active.gauge'].value >= 2);
    expect(cli('scale', 'shop/web', '3')).toEqual({ code: 0, out: '/shop/web to 3: done\n' });
    await eventually('it is seen', () => lines.out.includes('\n') && text.out.includes('deployment_success'));
    for (const line of lines.out.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ eventType: 'deployment_success' });
    await interrupt(text);
    await interrupt(lines);
  });

  it('restarts, kills one task, kills with --scale, and scales to zero', async () => {
    const [first] = await ekiden.tasks('shop/web');
    expect(cli('restart', 'shop/web')).toEqual({ code: 0, out: 'restart of /shop/web: done\n' });
    const restarted = await ekiden.tasks('shop/web');
    expect(restarted.map(({ id }) => id)).not.toContain(first.id);
    expect(cli('kill', restarted[0].id)).toMatchObject({ code: 0, out: expect.stringContaining(restarted[0].id) });
    await eventually('it is replaced', async () => {
      const tasks = await ekiden.tasks('shop/web');
      return tasks.length === 3 && tasks.every(({ id, state }) => id !== restarted[0].id && state === 'TASK_RUNNING');
    });
    const [victim] = await ekiden.tasks('shop/web');
    expect(cli('kill', victim.id, '--scale').code).toBe(0);
    expect(json('app', 'shop/web')).toMatchObject({ instances: 2 });
    expect(cli('scale', 'shop/web', '0').code).toBe(0);
    expect(ekiden.taskProcesses()).toEqual([]);
    expect(cli('logs', 'shop/web')).toMatchObject({ code: 1, out: expect.stringMatching(/has no tasks.*ekiden why/) });
  });

  it('rolls back to the version before, to one by name, and lists them', async () => {
    const versions = json('rollback', 'shop/web', '--to', 'list') as string[];
    expect(versions.length).toBeGreaterThan(3);
    expect([...versions].sort().reverse()).toEqual(versions);
    expect(cli('rollback', 'shop/web')).toMatchObject({ code: 0, out: expect.stringContaining(versions[1] ?? '?') });
    expect(cli('rollback', 'shop/web', '--to', versions.at(-1) ?? '')).toMatchObject({ code: 0 });
    expect(json('app', 'shop/web')).toMatchObject({ cmd: WEB.cmd, instances: 2 });
    expect(cli('rollback', 'shop/web', '--to', '2020-01-01T00:00:00.000Z')).toMatchObject({ code: 1, out: expect.stringContaining('--to list') });
  });

  it('lists deployments with how they ended', () => {
    expect(cli('deployments').out).toMatch(/DEPLOYMENT +APPS +STATE[^]*\/shop\/web +succeeded/);
    expect(json('deployments', 'shop/web', '--limit', '3')).toHaveLength(3);
    expect(json('deployments', '/no/such')).toEqual([]);
  });

  it('deploys a list of apps from stdin as one deployment, dependencies first', async () => {
    const apps = ['/pair/front', '/pair/back'].map((id) => ({
      id,
      cmd: 'exec sleep 100000',
      cpus: 0.01,
      mem: 16,
      ...(id === '/pair/front' ? { dependencies: ['/pair/back'] } : {}),
    }));
    const child = spawn('sh', ['-c', `"$0" "$1" deploy - <"$2"`, process.execPath, join(HOME, 'bin/ekiden.mjs'), file('pair.json', apps)], {
      cwd: HOME,
      env: { ...process.env, EKIDEN_API: ekiden.api, NO_COLOR: '1' },
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    followers.push(child);
    await eventually('it has ended', () => child.exitCode !== null);
    expect(child.exitCode).toBe(0);
    expect(json('deployments', '--limit', '1')).toMatchObject([{ state: 'succeeded', affectedApps: expect.arrayContaining(['/pair/back', '/pair/front']) }]);
    expect(
      json('deployments', '--limit', '1')[0]
        .steps.map((step: AnyJson) => step.actions[0].app)
        .at(-1),
    ).toBe('/pair/front');
  });

  it('ends with 2 when a deployment is stuck, says what to do, and that works', async () => {
    expect(cli('deploy', file('slow.json', { ...NEVER_READY, id: '/slow', cmd: 'exec sleep 99999', readinessChecks: [] })).code).toBe(0);
    const stuck = cli('deploy', file('slow.json', { ...NEVER_READY, id: '/slow' }));
    expect(stuck.code).toBe(2);
    expect(stuck.out).toMatch(/\/slow: stuck: [^\n]+\n +why: ekiden why \/slow\n +go back: ekiden rollback \/slow --force/);
    expect(cli('why', '/slow')).toMatchObject({ code: 0, out: expect.stringMatching(/ready|readiness/i) });

    const locked = cli('scale', '/slow', '2');
    expect(locked.code).toBe(1);
    expect(locked.out).toMatch(/--force/);
    expect(cli('rollback', '/slow', '--force').code).toBe(0);
    expect(json('app', '/slow').readinessChecks ?? []).toEqual([]);
  });

  it('returns at once with --no-wait, and cancels a deployment', async () => {
    expect(cli('deploy', file('slow.json', { ...NEVER_READY, id: '/slow' }), '--no-wait')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/deployment \S+ has begun/),
    });
    const [running] = json('deployments', 'slow', '--limit', '1');
    expect(running).toMatchObject({ state: 'running' });
    expect(cli('deployments', '--cancel', running.id)).toMatchObject({ code: 0, out: 'rolling back\n' });
    await ekiden.settled('slow');
    expect(json('app', '/slow').readinessChecks ?? []).toEqual([]);
  });

  it('deletes', async () => {
    for (const app of ['/slow', '/pair/front', '/pair/back', '/shop/web'])
      expect([app, cli('delete', app)]).toEqual([app, { code: 0, out: `delete ${app}: done\n` }]);
    expect(json('apps')).toEqual([]);
    expect(ekiden.taskProcesses()).toEqual([]);
  });

  it('says for each error what to do next, and ends with 1', async () => {
    const [closed] = await freePorts(1);
    const cases: [string[], RegExp][] = [
      [['app', '/nope'], /App '\/nope' does not exist.*ekiden apps/],
      [['delete', '/nope'], /does not exist.*ekiden apps/],
      [['why', '/nope'], /does not exist.*ekiden apps/],
      [['scale', '/nope', '2'], /does not exist.*ekiden apps/],
      [['rollback', '/nope'], /does not exist.*ekiden apps/],
      [['logs', '/nope'], /does not exist.*ekiden apps/],
      [['deployments', '--cancel', '00000000-0000-4000-8000-000000000000'], /does not exist.*ekiden deployments/],
      [['scale', '/nope', 'many'], /"many".*whole number/],
      [['kill', 'a.instance-00000000-0000-4000-8000-000000000000._app.1'], /no task.*ekiden app/],
      [['deploy', join(scratch, 'missing.json')], /cannot read .*examples/],
      [['deploy', file('broken.json', '{"id":')], /is not JSON.*comma/],
      [['deploy', file('nameless.json', { cmd: 'x' })], /has no id.*"id"/],
      [['deploy', file('wrong.json', { id: '/x', cmd: 'x', cpus: -1 })], /\/cpus[^]*correct/],
      [
        ['deploy', file('image.json', { id: '/x', container: { type: 'MESOS', docker: { image: 'x' }, linuxInfo: {} } })],
        /\/container\/linuxInfo[^]*not supported yet/,
      ],
      [['apps', '-o', 'yaml'], /-o yaml.*-o json/],
      [['apps', '--api', `http://127.0.0.1:${closed}`], /is Ekiden running\?.*npm start/],
      [['frobnicate'], /unknown command 'frobnicate'/],
      [['scale', '/x'], /missing required argument 'instances'/],
    ];
    for (const [args, text] of cases) {
      const { code, out } = cli(...args);
      expect([args, code]).toEqual([args, 1]);
      expect(out).toMatch(text);
      expect(out).not.toMatch(/^ +at /m); // a stack says nothing to people
    }
  });

  it('has a help that is worth reading, for all and for each verb', () => {
    const help = cli('--help');
    expect(help.code).toBe(0);
    const verbs = [
      'deploy',
      'apps',
      'app',
      'logs',
      'top',
      'exec',
      'why',
      'scale',
      'restart',
      'rollback',
      'kill',
      'delete',
      'deployments',
      'events',
      'nodes',
      'up',
      'master',
      'agent',
      'api',
    ];
    for (const verb of verbs) expect(help.out).toMatch(new RegExp(`^ +${verb}\\b`, 'm'));
    expect(cli('deploy', '--help').out).toMatch(/Exit code: 0 .*2 stuck[^]*Examples:/);
    expect(cli('agent', '--help').out).toMatch(/--work-dir/);
  });
});
