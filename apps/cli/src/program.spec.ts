import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Screen } from './commands/context.js';
import { createProgram } from './program.js';
import { fakeApi, type FakeAnswer, type FakeApi } from './testing/fake-api.js';

const RECEIPT = { version: '2026-11-01T10:00:00.000Z', deploymentId: 'd-1' };
const DEPLOYMENT = { id: 'd-1', affectedApps: ['/demo/web'], currentStep: 1, totalSteps: 1, startedAt: '2026-11-01T10:00:00.000Z' };
const APP = { id: '/demo/web', instances: 1, version: RECEIPT.version, tasks: [] };

describe('the command line', () => {
  const apis: FakeApi[] = [];
  afterEach(async () => {
    for (const api of apis.splice(0)) await api.close();
  });

  const run = async (
    line: readonly string[],
    answers: Readonly<Record<string, FakeAnswer | readonly FakeAnswer[]>>,
    screen: Screen | null = null,
    seen = { out: '', told: '', code: 0 },
  ) => {
    const api = await fakeApi(answers);
    apis.push(api);
    const program = createProgram({
      out: (text) => (seen.out += `${text}\n`),
      tell: (text) => (seen.told += `${text}\n`),
      env: { EKIDEN_API: api.url },
      home: '/nowhere',
      isInteractive: false,
      screen,
      hasColours: false,
      now: () => Date.parse('2026-11-01T10:01:00.000Z'),
      exitWith: (code) => (seen.code = code),
    });
    for (const command of [program, ...program.commands]) command.exitOverride();
    await program.parseAsync(['node', 'ekiden', ...line]);
    return { ...seen, asked: api.asked };
  };

  const specFile = (spec: unknown): string => {
    const file = join(mkdtempSync(join(tmpdir(), 'ekiden-cli-')), 'app.json');
    writeFileSync(file, JSON.stringify(spec));
    return file;
  };
  const deployment = (more: object): FakeAnswer => ({ body: { ...DEPLOYMENT, ...more } });
  const deployed = (...looks: readonly FakeAnswer[]) => ({
    'PUT /v2/apps/demo/web?force=false&partialUpdate=false': { body: RECEIPT, headers: { warning: '299 ekiden "gpus is advice"' } },
    'GET /ekiden/v1/deployments/d-1': looks,
    'GET /v2/apps/demo/web?embed=app.lastTaskFailure': { body: { app: APP } },
  });

  it('deploys a file and waits until it runs', async () => {
    const result = await run(
      ['deploy', specFile({ id: '/demo/web', cmd: 'x' })],
      deployed(deployment({ state: 'running' }), deployment({ state: 'succeeded' })),
    );
    expect(result.out).toBe('/demo/web: done\n');
    expect(result.told).toContain('warning: gpus is advice');
    expect(result.code).toBe(0);
    expect(result.asked[0]).toEqual({ call: 'PUT /v2/apps/demo/web?force=false&partialUpdate=false', body: { id: '/demo/web', cmd: 'x' } });
  });

  it('exits with 2 and says what to do when the deployment is stuck', async () => {
    const stuck = deployment({ state: 'running', stuckSince: '2026-11-01T10:00:30.000Z', reason: 'no healthy instance of the new version' });
    const result = await run(['deploy', specFile({ id: '/demo/web', cmd: 'x' })], deployed(stuck));
    expect(result.code).toBe(2);
    expect(result.out).toContain('stuck: no healthy instance of the new version');
    expect(result.out).toContain('ekiden rollback /demo/web --force');
  });

  it('exits with 1 when the deployment has failed', async () => {
    const result = await run(['deploy', specFile({ id: '/demo/web', cmd: 'x' })], deployed(deployment({ state: 'failed', reason: 'replaced by another' })));
    expect([result.code, result.out]).toEqual([1, '/demo/web: failed: replaced by another\n']);
  });

  it('puts several apps into one deployment', async () => {
    const specs = [{ id: '/shop/a' }, { id: '/shop/b' }];
    const result = await run(['deploy', specFile(specs), '--no-wait', '-o', 'json'], { 'PUT /v2/apps?force=false&partialUpdate=false': { body: RECEIPT } });
    expect(JSON.parse(result.out)).toEqual({ deploymentId: 'd-1', version: RECEIPT.version });
    expect(result.asked[0]?.body).toEqual(specs);
  });

  it('only says what would change with --dry-run', async () => {
    const result = await run(['deploy', specFile({ id: '/demo/web' }), '--dry-run'], {
      'POST /ekiden/v1/preview?partialUpdate=false': { body: { apps: [{ appId: '/demo/web', action: 'restart', changedFields: ['cmd'], tasksToRestart: 2 }] } },
    });
    expect(result.out).toBe('/demo/web  roll out a new version: cmd; replaces 2 tasks\nNothing was changed (--dry-run).\n');
  });

  it('shows the field that was refused', async () => {
    const refusal = { status: 422, body: { message: 'Object is not valid', details: [{ path: '/cpus', errors: ['got 0.0, expected 0.001 or more'] }] } };
    await expect(run(['scale', '/demo/web', '3'], { 'PATCH /v2/apps/demo/web?force=false': refusal })).rejects.toThrow(
      'Object is not valid\n  /cpus: got 0.0, expected 0.001 or more',
    );
  });

  it('says how to start Ekiden when nobody answers', async () => {
    await expect(run(['apps', '--api', 'http://127.0.0.1:1'], {})).rejects.toMatchObject({ hint: expect.stringContaining('npm start') });
  });

  it('rolls back to the version before the present one', async () => {
    const result = await run(['rollback', 'demo/web', '--no-wait'], {
      'GET /v2/apps/demo/web/versions': { body: { versions: ['2026-11-01T10:00:00.000Z', '2026-11-01T11:00:00.000Z', '2026-11-01T09:00:00.000Z'] } },
      'PUT /v2/apps/demo/web?force=false': { body: RECEIPT },
    });
    expect(result.asked.at(-1)?.body).toEqual({ version: '2026-11-01T10:00:00.000Z' });
  });

  it('kills one task by its id and all of an app by its name', async () => {
    const task = { id: 'demo_web.instance-5cb1d3a0-7c11-11eb-8f2b-0242ac110002._app.1', appId: '/demo/web', host: '127.0.0.1', state: 'TASK_RUNNING' };
    const one = await run(['kill', task.id], { 'POST /v2/tasks/delete?scale=false&wipe=false': { body: { tasks: [task] } } });
    expect(one.out).toBe(`killed ${task.id} on 127.0.0.1\n`);
    const all = await run(['kill', '/demo/web'], { 'DELETE /v2/apps/demo/web/tasks?scale=false&wipe=false': { body: { tasks: [] } } });
    expect(all.out).toBe('no tasks to kill\n');
  });

  it('prints the last lines of each task with its prefix', async () => {
    const id = 'demo_web.instance-5cb1d3a0-7c11-11eb-8f2b-0242ac110002._app.1';
    const result = await run(['logs', '/demo/web', '-n', '2'], {
      'GET /v2/apps/demo/web?embed=app.lastTaskFailure': { body: { app: { ...APP, tasks: [{ id, appId: '/demo/web', state: 'TASK_RUNNING' }] } } },
      [`GET /ekiden/v1/tasks/${id}/logs/stdout?offset=-1&length=0`]: { body: { data: '', offset: 10 } },
      [`GET /ekiden/v1/tasks/${id}/logs/stdout?offset=0&length=10`]: { body: { data: 'one\ntwo\n3\n', offset: 0 } },
    });
    expect(result.out).toBe('demo_web.5cb1d3a0 | two\ndemo_web.5cb1d3a0 | 3\n');
  });

  describe('top', () => {
    const use = (number: number, cpus: number) => ({
      appId: '/demo/web',
      taskId: `demo_web.instance-5cb1d3a${number}-7c11-11eb-8f2b-0242ac110002._app.1`,
      host: 'n1',
      cpu: { totalSecs: 1, requestedCpus: 0.5, limitCpus: 0.5 },
      memory: { workingSetBytes: number << 20, requestedBytes: 32 << 20, limitBytes: 32 << 20, peakBytes: 20 << 20 },
      recent: { secs: 2, cpus, throttledShare: 0.25, readBytesPerSec: 0, writtenBytesPerSec: 2048 },
    });
    const answer: FakeAnswer = { body: { at: '', tasks: [use(1, 0.1), use(2, 0.3)], leftOut: 0, unanswered: [] } };

    it('prints what tasks use once where stdout is no terminal, and what was answered as JSON', async () => {
      const call = { 'GET /ekiden/v1/apps/demo/web/statistics': answer };
      const { out } = await run(['top', 'demo/web'], call);
      expect(out.split('\n').map((line) => line.split(/ {2,}/)[1])).toEqual(['INSTANCE', '5cb1d3a2', '5cb1d3a1', undefined]);
      expect(JSON.parse((await run(['top', '/demo/web', '-o', 'json'], call)).out).tasks).toHaveLength(2);
      expect((await run(['top', '--once'], { 'GET /ekiden/v1/statistics': answer }, { rows: () => 4, columns: () => 20 })).out).toContain('WRITTEN/s');
      await expect(run(['top', '--interval', '0'], {})).rejects.toThrow('--interval is "0"');
    });

    it('draws in place on a terminal, no larger than it is, until the app is gone', async () => {
      const seen = { out: '', told: '', code: 0 };
      const gone = { status: 404, body: { message: "App '/demo/web' does not exist" } };
      const away = { status: 503, body: { message: 'nobody leads' } };
      const call = { 'GET /ekiden/v1/apps/demo/web/statistics': [answer, away, gone] };
      await expect(run(['top', '/demo/web', '-i', '1'], call, { rows: () => 4, columns: () => 9 }, seen)).rejects.toThrow('does not exist');
      const [first, second] = seen.out.split('\u001b[3A\u001b[J');
      expect(first).toBe('APP\n/demo/web\nand 1 mor\n'.replace('APP', 'APP      '));
      expect(second).toBe('waiting f\n');
    });
  });

  it('shows of a rotated log what is kept, over as many answers as it takes', async () => {
    const id = 'demo_web.instance-5cb1d3a0-7c11-11eb-8f2b-0242ac110002._app.1';
    const result = await run(['logs', id, '-n', '100'], {
      [`GET /ekiden/v1/tasks/${id}/logs/stdout?offset=-1&length=0`]: { body: { data: '', offset: 20, begin: 10 } },
      [`GET /ekiden/v1/tasks/${id}/logs/stdout?offset=10&length=10`]: { body: { data: 'one\n', offset: 10, nextOffset: 14 } },
      [`GET /ekiden/v1/tasks/${id}/logs/stdout?offset=14&length=6`]: { body: { data: 'two\n3\n', offset: 14, nextOffset: 20 } },
    });
    expect(result.out).toBe('demo_web.5cb1d3a0 | one\ndemo_web.5cb1d3a0 | two\ndemo_web.5cb1d3a0 | 3\n');
  });

  it('follows a log to the end of its task, every line once, whatever breaks on the way', async () => {
    const id = 'demo_web.instance-5cb1d3a0-7c11-11eb-8f2b-0242ac110002._app.1';
    const at = (offset: number): string => `GET /ekiden/v1/tasks/${id}/logs/stdout?offset=${offset}`;
    const log = (offset: number, data: string): string => `event: log\nid: ${offset + data.length}\ndata: ${JSON.stringify({ offset, data })}\n\n`;
    const result = await run(['logs', id, '-f'], {
      [`${at(-1)}&length=0`]: { body: { data: '', offset: 4, begin: 0 } },
      [`${at(0)}&length=4`]: { body: { data: 'one\n', offset: 0, nextOffset: 4 } },
      [at(4)]: [{ events: `${log(4, 'tw')}${log(6, 'o\nthr')}event: interrupted\ndata: {"why":"gone"}\n\n` }],
      [at(11)]: [
        { status: 502, body: { message: 'no answer' } },
        { events: `:\n\nevent: gap\nid: 100\ndata: {"from":11,"to":100}\n\n${log(100, 'late')}event: end\nid: 104\ndata: {"offset":104,"keptUntil":null}\n\n` },
      ],
    });
    expect(result.out.replaceAll('demo_web.5cb1d3a0 | ', '')).toBe('one\ntwo\nthr\nlate\n');
    expect(result.told).toMatch(/waiting for its agent \(gone\)[^]*waiting for the API[^]*89 bytes are missing here/);
  });

  it('explains a wrong file', async () => {
    await expect(run(['deploy', specFile({ cmd: 'x' })], {})).rejects.toMatchObject({ message: expect.stringContaining('has no id') });
    await expect(run(['deploy', '/no/such/file'], {})).rejects.toMatchObject({ message: 'cannot read /no/such/file (ENOENT)' });
  });
});
