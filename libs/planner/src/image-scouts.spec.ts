/** Who may be launched before it is known what an image is. */
import { aSpec } from '../test/an-app.js';
import { isImageOpen, scoutsWanted } from './image-scouts.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const container = (image: string) => ({ kind: 'DOCKER' as const, image, forcePullImage: false, isPrivileged: false, volumes: [] });
const at = (kind: string, stop: object | null = null) => ({ condition: { kind }, stop }) as never;

it('is open while an image is named by its tag alone, and nobody has asked', () => {
  expect(isImageOpen(aSpec({ container: container('web:1') }), undefined)).toBe(true);
  expect(isImageOpen(aSpec({ container: container('web:1') }), DIGEST)).toBe(false);
  expect(isImageOpen(aSpec({ container: container(`web@${DIGEST}`) }), undefined)).toBe(false);
  expect(isImageOpen(aSpec({ container: null }), undefined)).toBe(false);
});

it.each([
  ['nobody is there', [], 'one'],
  ['they all wait', [at('scheduled'), at('scheduled')], 'one'],
  ['one is being launched', [at('scheduled'), at('provisioned')], 'none'],
  ['one asks', [at('staging')], 'none'],
  ['the one that asks is being stopped', [at('staging', {})], 'one'],
  ['the one that asked is out of reach', [at('unreachable')], 'one'],
  ['one runs, and its agent has not said what', [at('running'), at('staging')], 'all'],
])('%s', (_, siblings, wanted) => {
  expect(scoutsWanted(siblings)).toBe(wanted);
});
