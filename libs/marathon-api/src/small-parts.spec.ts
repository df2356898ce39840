import { EkidenError } from '@ekiden/model';
import { classifyChange } from './classify-change.js';
import { ERROR_TABLE, errorBody } from './error-table.js';
import { deploymentFailed, statusUpdate } from './events.js';
import { parseLabelSelector } from './label-selector.js';
import { normalizeApp } from './normalize-app.js';
import { parseBody } from './parse-body.js';
import { pingAnswer } from './ping.js';

const definition = (fields: Record<string, unknown>) =>
  normalizeApp({ body: { id: '/a', cmd: 'sleep 1', ...fields }, id: null, current: null, partial: false }, { defaultRole: '*' }).definition;

describe('classifyChange', () => {
  it('tells new tasks, policy in place and scaling apart', () => {
    const from = definition({ instances: 1, env: { A: '1', B: '2' }, upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 0 } });
    const to = definition({ instances: 2, env: { B: '2', A: '1' }, backoffSeconds: 5, drainSeconds: 3, cmd: 'sleep 2' });
    expect(classifyChange(from, to)).toEqual({ restart: ['cmd'], policy: ['backoffSeconds', 'drainSeconds', 'upgradeStrategy'], resize: [], scale: true });
  });

  it.each([
    ['only cpus and mem', { resizeInPlace: true }, { cpus: 2, mem: 256, resizeInPlace: true }, { restart: [], resize: ['cpus', 'mem'] }],
    ['when it is turned on with it', {}, { cpus: 2, resizeInPlace: true }, { restart: [], resize: ['cpus'] }],
    ['when the new version says nothing, as a roll-back does', { resizeInPlace: true }, { cpus: 2 }, { restart: [], resize: ['cpus'] }],
    ['not when it is turned off', { resizeInPlace: true }, { cpus: 2, resizeInPlace: false }, { restart: ['cpus'], resize: [] }],
    ['not beside what the process sees', { resizeInPlace: true }, { cpus: 2, env: { A: '1' }, resizeInPlace: true }, { restart: ['cpus', 'env'], resize: [] }],
    ['not unasked', {}, { cpus: 2 }, { restart: ['cpus'], resize: [] }],
    ['not disk', { resizeInPlace: true }, { disk: 64, resizeInPlace: true }, { restart: ['disk'], resize: [] }],
  ])('changes a size in place: %s', (_what, from, to, expected) => {
    expect(classifyChange(definition(from), definition(to))).toMatchObject(expected);
  });
});

describe('parseLabelSelector', () => {
  it.each([
    ['tier', { tier: 'x' }, true],
    ['tier', {}, false],
    ['tier==web', { tier: 'web' }, true],
    ['tier!=web', { tier: 'db' }, true],
    ['tier!=web', {}, false],
    ['env in (prod, stage),tier', { env: 'stage', tier: '' }, true],
    ['env notin (prod)', { env: 'dev' }, true],
    ['a\\/b==c\\ d', { 'a/b': 'c d' }, true],
    ['constructor', {}, false],
  ])('%s on %j: %s', (selector, labels, expected) => {
    expect(parseLabelSelector(selector)(labels)).toBe(expected);
  });

  it.each(['', 'a==', 'a in b', 'a in (b', 'a,', 'a/b', 'a==b c'])('refuses "%s"', (selector) => {
    expect(() => parseLabelSelector(selector)).toThrow(expect.objectContaining({ code: 'invalid-object' }));
  });
});

describe('errors on the wire', () => {
  it('have a status and a remedy each', () => {
    for (const { status, remedy } of Object.values(ERROR_TABLE)) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(remedy).not.toBe('');
    }
  });

  it('have Marathon’s shapes', () => {
    expect(errorBody(new EkidenError('app-not-found', "App '/x' does not exist"))).toEqual({
      status: 404,
      body: { message: "App '/x' does not exist", details: [] },
    });
    expect(errorBody(new EkidenError('app-locked', 'locked', { deployments: ['d-1'] }))).toEqual({
      status: 409,
      body: { message: 'locked', deployments: [{ id: 'd-1' }] },
    });
    expect(errorBody(new EkidenError('app-exists', 'exists'))).toEqual({ status: 409, body: { message: 'exists' } });
  });

  it('tell a parse error as a text', () => {
    expect(() => parseBody('{')).toThrow(expect.objectContaining({ message: 'Invalid JSON', code: 'not-json' }));
    expect(() => parseBody('')).toThrow(expect.objectContaining({ message: 'Please specify data in JSON format' }));
  });
});

describe('small answers', () => {
  it('pong as it is wanted', () => {
    expect(pingAnswer(null)).toMatchObject({ contentType: 'text/plain', body: 'pong' });
    expect(pingAnswer('application/json')).toMatchObject({ contentType: 'application/json', body: '"pong"' });
    expect(pingAnswer('image/png')).toMatchObject({ status: 204 });
  });

  it('events carry their type and time', () => {
    const plan = { id: 'd', steps: [], version: '2026-01-01T00:00:00.000Z' };
    expect(deploymentFailed(0, plan, null)).toEqual({ id: 'd', plan, eventType: 'deployment_failed', timestamp: '1970-01-01T00:00:00.000Z' });
    const update = { slaveId: 's', taskId: 't', taskStatus: 'TASK_RUNNING', message: '', appId: '/a', host: 'h', ipAddresses: [], ports: [1], version: 0 };
    expect(statusUpdate(1, update)).toMatchObject({ version: '1970-01-01T00:00:00.000Z', ports: [1] });
  });
});
