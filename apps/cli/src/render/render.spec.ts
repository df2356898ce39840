import { App, Deployment, Images, Node, Statistics, TaskUse, Why } from '../api/shapes.js';
import { appsText, appText } from './app-text.js';
import { deploymentsText, progressOf } from './deployment-text.js';
import { errorText } from './error-text.js';
import { eventText } from './event-text.js';
import { shortTask } from './log-prefix.js';
import { nodesText, runtimesText } from './node-text.js';
import { readyText } from './ready-text.js';
import { explainRefusal } from './refusal-text.js';
import { ago } from './table.js';
import { topText } from './top-text.js';
import { whyText } from './why-text.js';
import { CliError } from '../cli-error.js';

const now = Date.parse('2026-11-01T12:00:00.000Z');
const app = (fields: object): App => App.parse({ id: '/demo/web', instances: 2, cpus: 0.1, mem: 64, ...fields });
const lines = (...all: readonly string[]): string => all.join('\n');

describe('texts', () => {
  it('lists apps by id', () => {
    const apps = [app({ id: '/b', tasksRunning: 1 }), app({ id: '/a', tasksRunning: 2, healthChecks: [{}], tasksHealthy: 2 })];
    expect(appsText(apps)).toBe(
      lines(
        'APP  RUNNING  HEALTH  CPUS  MEM     STATUS',
        '/a   2/2      2 ok    0.1   64 MiB  running',
        '/b   1/2      -       0.1   64 MiB  waiting (ekiden why says for what)',
      ),
    );
  });

  it('lists how machines run tasks, with reasons', () => {
    const runtimes = [
      { name: 'process', isUsed: true, reasons: ['a limit of memory: run the agent as root'] },
      { name: 'oci', isUsed: false, reasons: ['install the package crun', 'install the package umoci'] },
    ];
    expect(runtimesText([Node.parse({ id: 'a', hostname: 'h1', runtimes }), Node.parse({ id: 'b', hostname: 'h2' })])).toBe(
      lines(
        'h1:',
        '  process: used',
        '    - a limit of memory: run the agent as root',
        '  oci: not used',
        '    - install the package crun',
        '    - install the package umoci',
        'h2:',
        '  its runtimes are not known: the agent is away, or of an older version',
      ),
    );
  });

  it('says what to do when there is nothing', () => {
    expect(appsText([])).toContain('ekiden deploy');
    expect(nodesText([])).toContain('ekiden agent');
  });

  it('shows an app with its last failure', () => {
    const text = appText(
      app({ lastTaskFailure: { taskId: 't', host: 'h', state: 'TASK_FAILED', message: 'exit status 3', timestamp: '2026-11-01T11:59:00.000Z' } }),
      now,
    );
    expect(text).toContain('last failure 60 s ago: TASK_FAILED on h: exit status 3');
  });

  it('names the image by its digest, and each task that runs another one', () => {
    const tasks = [
      { id: 'new', digest: 'sha256:b' },
      { id: 'old', digest: 'sha256:a' },
      { id: 'early', digest: null },
    ];
    const text = appText(app({}), now, Images.parse({ image: 'web:1', digest: 'sha256:b', tasks }));
    expect(text).toContain(lines('  image      web:1, sha256:b', '             old runs sha256:a', ''));
    expect(appText(app({}), now, Images.parse({ image: 'web:1', tasks: [] }))).toContain('web:1, which its first task will ask the registry about');
    expect(appText(app({}), now, Images.parse({}))).toBe(appText(app({}), now));
  });

  it('marks a stuck deployment', () => {
    const one = Deployment.parse({
      id: 'd',
      state: 'running',
      stuckSince: 'x',
      reason: 'nothing is healthy',
      affectedApps: ['/a'],
      startedAt: '2026-11-01T11:00:00.000Z',
    });
    expect(deploymentsText([one], now)).toBe(
      lines('DEPLOYMENT  APPS  STATE  STEP  STARTED     REASON', 'd           /a    stuck  0/0   60 min ago  nothing is healthy'),
    );
  });

  it('counts only healthy tasks of the new version as done', () => {
    const task = (version: string, alive: boolean) => ({ id: 't', appId: '/a', state: 'TASK_RUNNING', version, healthCheckResults: [{ alive }] });
    const tasks = [task('v1', true), task('v2', true), task('v2', false)];
    expect(progressOf([app({ instances: 3, version: 'v2', versionInfo: { lastConfigChangeAt: 'v2' }, healthChecks: [{}], tasks })])).toEqual({
      done: 1,
      total: 3,
    });
  });

  it('explains a pending app by the refusals of its offers', () => {
    const why = Why.parse({
      appId: '/a',
      queue: {
        count: 1,
        since: '2026-11-01T11:59:00.000Z',
        processedOffers: 4,
        refusals: [{ hostname: 'n1', reason: 'InsufficientCpus', text: 'needs 4 cpus, 2 are free' }],
      },
    });
    expect(whyText(why, null, now)).toBe(
      lines(
        '/a waits for an offer that fits.',
        '  1 instance to launch, since 60 s; 4 offers looked at',
        '',
        'AGENT  REFUSED FOR       BECAUSE',
        'n1     InsufficientCpus  needs 4 cpus, 2 are free',
      ),
    );
  });

  it('shows machines with what is used', () => {
    const node = Node.parse({
      id: 'S0',
      hostname: '127.0.0.1',
      address: '127.0.0.1:5051',
      state: 'active',
      resources: { cpus: 4, mem: 1000 },
      used: { cpus: 0.30000000000000004, mem: 96 },
      attributes: { rack: 'a' },
      tasks: 3,
    });
    expect(nodesText([node]).split('\n')[1]).toBe('127.0.0.1  127.0.0.1:5051  active  3      0.3/4  96/1000    rack=a');
    expect(nodesText([{ ...node, deficit: { cpus: 0.25, mem: 0, disk: 0 } }])).toContain('active, 0.25 cpus short');
  });

  it('shows what tasks use, and who did not say', () => {
    const use = (number: number, more: object) =>
      TaskUse.parse({
        appId: '/demo/web',
        taskId: `demo_web.instance-5cb1d3a${number}-7c11-11eb-8f2b-0242ac110002._app.1`,
        host: 'n1',
        cpu: { totalSecs: 1, requestedCpus: 0.5, limitCpus: null },
        memory: { workingSetBytes: 5_500_000, requestedBytes: 64 << 20, limitBytes: null, peakBytes: null },
        recent: null,
        ...more,
      });
    const busy = use(2, {
      cpu: { totalSecs: 1, requestedCpus: 0.5, limitCpus: 0.5 },
      memory: { workingSetBytes: 40 << 20, requestedBytes: 64 << 20, limitBytes: 64 << 20, peakBytes: 60 << 20 },
      recent: { secs: 2, cpus: 0.456, throttledShare: 0.123, readBytesPerSec: 0, writtenBytesPerSec: 300 },
    });
    const statistics = Statistics.parse({ tasks: [use(1, {}), busy], unanswered: [{ host: 'n2', tasks: 1, why: 'it is away' }] });
    expect(topText(statistics, 'cpu')).toBe(
      lines(
        'APP        INSTANCE  NODE  CPU   LIMIT    THROTTLED  MEMORY   LIMIT       PEAK    READ/s  WRITTEN/s',
        '/demo/web  5cb1d3a2  n1    0.46  0.5      12 %       40 MiB   64 MiB      60 MiB  0       300 B',
        '/demo/web  5cb1d3a1  n1    -     - (0.5)  -          5.2 MiB  - (64 MiB)  -       -       -',
        'no figures from n2 (1 task): it is away',
      ),
    );
    expect(topText(statistics, 'memory', 1)).toMatch(/5cb1d3a2[^]*and 1 more\nno figures/);
    expect(topText(Statistics.parse({ tasks: [] }), 'io')).toBe('no task runs that could be measured');
  });

  it('turns refusals into advice', () => {
    const locked = explainRefusal(409, { message: 'App is locked', deployments: [{ id: 'd' }] });
    expect(locked.hint).toContain('--force');
    expect(explainRefusal(404, { message: "App '/a' does not exist" }).hint).toContain('ekiden apps');
    expect(explainRefusal(404, { message: "App '/a' does not exist in version 2026-11-01T09:00:00.000Z" }).hint).toContain('--to list');
    expect(explainRefusal(404, { message: 'DeploymentPlan x does not exist' }).hint).toContain('ekiden deployments');
    expect(explainRefusal(404, { message: "Task 'x' does not exist" }).hint).toContain('ekiden app <app>');
    expect(explainRefusal(502, '<html>').message).toBe('<html>');
    expect(explainRefusal(400, { message: 'Invalid JSON', details: 'line 1' }).message).toBe('Invalid JSON\n  line 1');
    expect(errorText(new CliError('port 1 is in use', 'choose another'))).toBe('port 1 is in use: choose another');
  });

  it('writes an event as one line', () => {
    const data = { timestamp: '2026-11-01T11:59:00.123Z', appId: '/a', taskStatus: 'TASK_RUNNING', message: '', host: 'n1' };
    expect(eventText('status_update_event', data)).toBe('11:59:00.123 status_update_event appId=/a taskStatus=TASK_RUNNING host=n1');
  });

  it('names the URLs when everything serves', () => {
    const text = readyText({
      api: 'http://127.0.0.1:8080',
      master: 'http://127.0.0.1:5050',
      agents: ['http://127.0.0.1:5051'],
      dataDir: '.ekiden',
      keepTasks: false,
      adopted: false,
    });
    expect(text.split('\n')[0]).toBe('Ekiden is ready: API http://127.0.0.1:8080  master http://127.0.0.1:5050  agents http://127.0.0.1:5051');
  });

  it('shortens task ids and times', () => {
    expect(shortTask('demo_web.instance-5cb1d3a0-7c11-11eb-8f2b-0242ac110002._app.1')).toBe('demo_web.5cb1d3a0');
    expect([ago('2026-11-01T11:59:55.000Z', now), ago('2026-10-25T12:00:00.000Z', now), ago(null, now)]).toEqual(['5 s', '7 d', '-']);
  });
});
