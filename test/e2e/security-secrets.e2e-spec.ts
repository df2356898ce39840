/**
 * What nobody gets to see or to read: secrets in arguments, logs, answers and tasks' environments; state directories; files of
 * the machine, which tasks fetch only from directories that the operator has opened, and with their own rights (decision 20).
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ekiden, eventually } from './ekiden.js';
import { joinAgent, LonePart, onAgent, writeTokenFile } from './lone-part.js';
import { sendRaw } from './raw-request.js';

jest.setTimeout(180_000);

const PEOPLE = 'a-token-of-people-9876543210';
const isRoot = process.getuid?.() === 0;

describe('secrets', () => {
  let ekiden: Ekiden;
  let scratch: string;
  let secrets: readonly string[];
  const authorized = { authorization: `Bearer ${PEOPLE}` };

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'ekiden-e2e-secrets-'));
    const tokenFile = writeTokenFile(join(scratch, 'people'), PEOPLE);
    ekiden = await Ekiden.start({ args: ['--token-file', tokenFile], env: { EKIDEN_LOG_LEVEL: 'debug' } });
    const tokens = join(ekiden.dataDir, 'tokens');
    secrets = [PEOPLE, ...readdirSync(tokens).map((name) => readFileSync(join(tokens, name), 'utf8').trim())];
    expect(secrets.length).toBeGreaterThanOrEqual(4);
    expect((await put({ id: '/keeper', cmd: 'exec sleep 100000', cpus: 0.01, mem: 16 })).status).toBe(201);
    expect((await put({ id: '/fails', cmd: 'env; exit 1', cpus: 0.01, mem: 16, backoffSeconds: 300 })).status).toBe(201);
    await eventually('one runs', () => ekiden.taskProcesses().length > 0);
    await eventually('one has failed', async () => (await ask('/v2/apps/fails')).body.app.lastTaskFailure !== undefined);
    // Whoever asks with a wrong or a right token is in no log either.
    await ekiden.get('/v2/apps', { authorization: `Bearer ${PEOPLE}x` });
    await ekiden.kill('api');
    await eventually('the API is back', async () => (await ask('/v2/leader')).status === 200);
  });
  afterAll(async () => {
    await ekiden?.end();
    rmSync(scratch, { recursive: true, force: true });
  });

  const ask = (path: string) => ekiden.get(path, authorized);
  const put = (app: { id: string } & Record<string, unknown>) => ekiden.send('PUT', `/v2/apps${app.id}`, app, authorized);
  const secretsIn = (text: string): string[] => secrets.filter((secret) => text.includes(secret));

  it('are in no argument of any process', () => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const command = readIfThere(`/proc/${pid}/cmdline`);
      expect(secretsIn(command)).toEqual([]);
      expect(command).not.toMatch(/postgres:\/\/[^ ]*:[^ ]*@/);
    }
  });

  it('are in no environment of a task, nor is any setting of Ekiden', async () => {
    const environments = ekiden.taskProcesses().map(({ pid }) => readIfThere(`/proc/${pid}/environ`));
    expect(environments.join('')).toContain('MESOS_TASK_ID=');
    const { taskId } = (await ask('/v2/apps/fails')).body.app.lastTaskFailure;
    const printed = (await ask(`/ekiden/v1/tasks/${taskId}/logs/stdout`)).body.data as string;
    expect(printed).toContain('MESOS_TASK_ID=');
    for (const environment of [...environments, printed]) {
      expect(secretsIn(environment)).toEqual([]);
      expect(environment).not.toMatch(/DATABASE_URL|REDIS_URL|EKIDEN_(MASTER|API|AGENT|TOKEN)/);
    }
  });

  it('are in no log, at the most talkative level', () => {
    const logs = readdirSync(join(ekiden.dataDir, 'logs')).map((name) => join(ekiden.dataDir, 'logs', name));
    expect(logs.length).toBeGreaterThanOrEqual(4);
    for (const file of logs) expect([file, secretsIn(readFileSync(file, 'utf8'))]).toEqual([file, []]);
    expect(secretsIn(ekiden.output)).toEqual([]);
  });

  it('are in no answer of the API, the master or the agent', async () => {
    for (const path of [
      '/v2/info',
      '/v2/apps?embed=apps.tasks&embed=apps.taskStats',
      '/v2/queue',
      '/v2/leader',
      '/v2/deployments',
      '/metrics',
      '/metrics/prometheus',
      '/ekiden/v1/nodes',
      '/ekiden/v1/deployments',
      '/no/such/path',
      '/docs-json',
    ])
      expect([path, secretsIn(JSON.stringify((await ask(path)).body))]).toEqual([path, []]);
    const refused = await ekiden.get('/v2/apps', { authorization: `Bearer ${PEOPLE}x` });
    expect([refused.status, secretsIn(JSON.stringify(refused.body))]).toEqual([401, []]);
    const join_ = readFileSync(join(ekiden.dataDir, 'tokens/join'), 'utf8').trim();
    const headers = { authorization: `Bearer ${join_}`, 'content-type': 'application/json' };
    for (const type of ['GET_STATE', 'GET_AGENTS', 'GET_FRAMEWORKS', 'GET_MASTER', 'GET_FLAGS', 'GET_TASKS'])
      expect([
        type,
        secretsIn((await sendRaw({ port: ekiden.masterPort, method: 'POST', path: '/api/v1', headers, body: JSON.stringify({ type }) })).text),
      ]).toEqual([type, []]);
    for (const path of ['/health', '/ekiden/v1/tasks', '/metrics/prometheus'])
      expect([path, secretsIn((await sendRaw({ port: ekiden.agentPort, path, headers })).text)]).toEqual([path, []]);
  });

  it('and state are kept from other users: directories 0700, files 0600', () => {
    const mode = (...parts: string[]): string => (statSync(join(ekiden.dataDir, ...parts)).mode & 0o777).toString(8);
    for (const directory of ['.', 'tokens', 'logs', 'postgres', 'agents', 'agents/1', 'agents/1/meta', 'agents/1/tasks'])
      expect([directory, mode(directory)]).toEqual([directory, '700']);
    const files = [
      ...readdirSync(join(ekiden.dataDir, 'tokens')).map((name) => `tokens/${name}`),
      ...readdirSync(join(ekiden.dataDir, 'agents/1/meta')).map((name) => `agents/1/meta/${name}`),
      'ports.json',
      'lock',
    ];
    for (const file of files) expect([file, mode(file)]).toEqual([file, '600']);
    for (const file of readdirSync(join(ekiden.dataDir, 'logs'))) expect([file, mode('logs', file)]).toEqual([file, '600']);
  });

  it('serves no file of the agent outside of a sandbox', async () => {
    const [task] = (await ask('/v2/apps/keeper/tasks')).body.tasks;
    const headers = { authorization: `Bearer ${readFileSync(join(ekiden.dataDir, 'tokens/join'), 'utf8').trim()}` };
    const files = `/ekiden/v1/tasks/${task.id}/files`;
    for (const path of ['/../run/launch', '/..%2frun%2flaunch', '/%2e%2e/run/launch', '/../../../meta/agent.json', '//etc/passwd', '/%2fetc%2fpasswd', '/%00'])
      expect([path, (await sendRaw({ port: ekiden.agentPort, path: files + path, headers })).status]).toEqual([path, 404]);
    expect((await sendRaw({ port: ekiden.agentPort, path: `${files}/stdout`, headers })).status).toBe(200);
  });
});

describe('files of the machine', () => {
  let ekiden: Ekiden;
  let open: string;

  beforeAll(async () => {
    ekiden = await Ekiden.start();
    open = join(ekiden.dataDir, 'open');
    mkdirSync(join(open, 'below'), { recursive: true });
    writeFileSync(join(open, 'below', 'tool.sh'), 'echo fetched; exec sleep 100000\n');
    writeFileSync(join(open, 'private'), 'of root alone\n', { mode: 0o600 });
    symlinkSync('/etc/hostname', join(open, 'way-out'));
    symlinkSync('/', join(open, 'root'));
    mkdirSync(`${open}-beside`);
    writeFileSync(join(`${open}-beside`, 'x'), 'x');
    for (const directory of [ekiden.dataDir]) chmodSync(directory, 0o711); // the task's other user has to get to `open`
    await joinAgent(ekiden, 'open', join(ekiden.dataDir, 'agent-open'), ['--file-fetch-dirs', open, '--allow-user', '*']);
  });
  afterAll(async () => {
    await LonePart.endAll();
    await ekiden?.end();
  });

  const app = (uri: string, more: Record<string, unknown> = {}) => ({
    id: '/test/files',
    cmd: 'sh ./tool.sh',
    cpus: 0.01,
    mem: 32,
    backoffSeconds: 300,
    fetch: [{ uri }],
    ...onAgent('open'),
    ...more,
  });

  async function remove(): Promise<void> {
    await ekiden.send('DELETE', '/v2/apps/test/files');
    await eventually('it is gone', async () => (await ekiden.get('/v2/deployments')).body.length === 0);
  }

  async function failureOf(uri: string, more: Record<string, unknown> = {}): Promise<string> {
    expect((await ekiden.send('PUT', '/v2/apps/test/files', app(uri, more))).status).toBe(201);
    let message = '';
    await eventually('it has failed', async () => {
      message = (await ekiden.get('/v2/apps/test/files')).body.app.lastTaskFailure?.message ?? '';
      return message !== '';
    });
    await remove();
    return message;
  }

  it('are fetched from a directory that the operator has opened', async () => {
    await ekiden.deploy(app(`file://${open}/below/tool.sh`));
    const [task] = await ekiden.tasks('test/files');
    await eventually('it has run', async () => (await ekiden.get(`/ekiden/v1/tasks/${task.id}/logs/stdout`)).body.data === 'fetched\n');
    await remove();
  });

  it.each([
    ['from anywhere else', () => 'file:///etc/hostname'],
    ['from a directory whose name begins the same', () => `file://${open}-beside/x`],
    ['through ..', () => `file://${open}/../tokens/join`],
    ['through an encoded ..', () => `file://${open}/%2e%2e/tokens/join`],
    ['through a link', () => `file://${open}/way-out`],
    ['through a link to a directory', () => `file://${open}/root/etc/hostname`],
  ])('are not fetched %s', async (_what, uri) => {
    expect(await failureOf(uri())).toMatch(/outside the directories that the operator opened/);
  });

  it('are read with the rights of the task’s user', async () => {
    if (!isRoot) return console.log('skipped: only root can run tasks as another user');
    expect(existsSync(join(open, 'private'))).toBe(true);
    expect(await failureOf(`file://${open}/private`, { user: 'nobody' })).toMatch(/cannot fetch .*private: .*(Permission denied|EACCES)/);
  });
});

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // It ended meanwhile.
  }
}
