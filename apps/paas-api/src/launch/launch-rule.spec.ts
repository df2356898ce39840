/** What goes to a plain Mesos: one health check, whole or not at all. */
import { decodeTaskData } from '@ekiden/mesos';
import { NO_RESOURCES } from '@ekiden/model';
import { aScheduled, aSpec, aTask, HTTP_CHECK } from '../../../../libs/planner/test/an-app.js';
import { whyNotPlain } from './launch-rule.js';
import { buildTaskInfo } from './task-info.js';

const PORT = { port: 10_000, protocol: 'tcp', name: null, labels: {} } as const;
const checked = (...healthChecks: readonly Partial<typeof HTTP_CHECK>[]): ReturnType<typeof aSpec> =>
  aSpec({ portDefinitions: [PORT], healthChecks: healthChecks.map((check) => ({ ...HTTP_CHECK, ...check })) });

describe('an app at a master that carries no data of ours', () => {
  it.each([
    ['no check', aSpec()],
    ['one check', checked({})],
    ['one command', checked({ protocol: 'COMMAND', portIndex: null, command: 'true' })],
  ])('is taken with %s', (_what, spec) => {
    expect(whyNotPlain(spec)).toBeNull();
  });

  it.each([
    ['two checks', checked({}, {}), '2 health checks'],
    ['a check that never kills', checked({ maxConsecutiveFailures: 0 }), 'maxConsecutiveFailures 0'],
    ['isolation', aSpec({ isolation: { privateTmp: true } }), 'isolation of its own'],
    ['a check of no port', checked({ portIndex: 7 }), 'a port that the app does not have'],
    [
      'a readiness check',
      aSpec({
        readinessCheck: {
          name: 'r',
          protocol: 'HTTP',
          path: '/',
          portName: 'http',
          intervalMs: 1000,
          timeoutMs: 1000,
          statusCodes: [200],
          preserveLastResponse: false,
        },
      }),
      'a readiness check',
    ],
  ])('is held with %s, and the reason names it and the way out', (_what, spec, named) => {
    expect(whyNotPlain(spec)).toContain(named);
    expect(whyNotPlain(spec)).toContain('use one health check');
  });
});

it('becomes one Mesos health check with its numbers, and no data', () => {
  const input = {
    spec: checked({ protocol: 'HTTP', maxConsecutiveFailures: 2 }),
    instance: aScheduled('shop_web.instance-1'),
    task: aTask('shop_web.instance-1', 1, { ports: [31_005] }),
    resources: { ...NO_RESOURCES, cpusMilli: 100, memMib: 32 },
    role: '*',
  };
  const plain = buildTaskInfo({ ...input, extended: false });
  expect(plain.data).toBeUndefined();
  expect(plain.health_check).toEqual({
    type: 'HTTP',
    http: { scheme: 'http', port: 31_005, path: '/health' },
    delay_seconds: 0,
    interval_seconds: 60,
    timeout_seconds: 20,
    grace_period_seconds: 300,
    consecutive_failures: 2,
  });
  const extended = buildTaskInfo({ ...input, extended: true });
  expect(extended.health_check).toBeUndefined();
  expect(decodeTaskData(extended.data)?.healthChecks).toHaveLength(1);
});
