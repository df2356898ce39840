/** What comes from outside on the way to an image, looked at as values. A real registry: image-store.nightly-spec.ts. */
import { readAuths } from './auth-file.js';
import { hexOf } from './image-files.js';
import { isInsecure, parseImageReference } from './image-reference.js';
import { readIndex, readManifest } from './manifest.js';
import { readComplaint } from './run-tool.js';

const HEX = 'a'.repeat(64);

it.each([
  ['nginx', 'docker.io/library/nginx:latest'],
  ['nginx:1.19', 'docker.io/library/nginx:1.19'],
  ['team/app', 'docker.io/team/app:latest'],
  ['index.docker.io/team/app', 'docker.io/team/app:latest'],
  ['localhost/app', 'localhost/app:latest'],
  ['registry.example:5000/a/b/c:x_1', 'registry.example:5000/a/b/c:x_1'],
  ['127.0.0.1:5000/a__b', '127.0.0.1:5000/a__b:latest'],
  [`app:v1@sha256:${HEX}`, `docker.io/library/app@sha256:${HEX}`],
])('%s means %s', (raw, canonical) => {
  expect(parseImageReference(raw).canonical).toBe(canonical);
});

it.each(['', 'App', 'a b', 'app:', 'app@sha256:1', `app@sha256:${HEX}@x`, '../etc', 'a//b', '-x', 'host:99x/app', '--flag', `app:${'x'.repeat(200)}`])(
  '"%s" is no image',
  (raw) => {
    expect(() => parseImageReference(raw)).toThrow('is no image');
  },
);

it('asks without TLS only on loopback and where the operator said so', () => {
  expect(isInsecure({ registry: '127.0.0.1:5000' }, [])).toBe(true);
  expect(isInsecure({ registry: '127.0.0.1.evil.example' }, [])).toBe(false);
  expect(isInsecure({ registry: 'registry.example' }, [])).toBe(false);
  expect(isInsecure({ registry: 'registry.example' }, ['registry.example'])).toBe(true);
});

it('takes from credentials what logs in, and nothing that names a program', () => {
  const auths = { 'r.example': { auth: 'eA==', identitytoken: 'x' }, other: {} };
  expect(readAuths(JSON.stringify({ auths, credHelpers: { 'r.example': 'evil' }, credsStore: 'evil' }), false)).toEqual({ 'r.example': { auth: 'eA==' } });
  expect(readAuths(JSON.stringify(auths), true)).toEqual({ 'r.example': { auth: 'eA==' } });
  expect(readAuths('{"port": 80}', false)).toBeNull();
  expect(readAuths('no json', false)).toBeNull();
});

it('reads manifests, of whatever form', () => {
  const part = { digest: `sha256:${HEX}`, size: 7 };
  expect(readManifest(JSON.stringify({ config: part, layers: [part] }))).toEqual({ config: part.digest, layers: [part] });
  expect(readManifest(JSON.stringify({ manifests: [part] }))).toBeNull();
  expect(() => readManifest(JSON.stringify({ config: part, layers: [{ digest: '../../etc/passwd' }] }))).toThrow('without a sha256 digest');
  expect(readIndex(JSON.stringify({ manifests: [part] }))).toBe(part.digest);
  expect(() => readIndex('{}')).toThrow('not exactly one');
  expect(() => hexOf('sha256:../x')).toThrow('no sha256 digest');
});

it('finds what a tool complained about', () => {
  const line = String.raw`time="x" level=fatal msg="Error parsing image name \"docker://a\": reading manifest v1: manifest unknown"`;
  expect(readComplaint(`noise\n${line}\n`)).toBe('reading manifest v1: manifest unknown');
  expect(readComplaint('plain words\n')).toBe('plain words');
  expect(readComplaint('')).toBeNull();
});
