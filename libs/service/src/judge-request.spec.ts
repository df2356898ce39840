import { judgeRequest, whoAsks, type JudgedRequest, type RequestPolicy } from './judge-request.js';

const open: RequestPolicy = {
  allowedHosts: ['ekiden.example:8080', 'lb.example'],
  tokens: [],
  contentTypes: ['application/x-protobuf'],
  openPaths: ['/ping', '/docs/*'],
};
const guarded: RequestPolicy = { ...open, tokens: ['first-token-0123456789', 'other-token-0123456789'] };

function judge(changes: Partial<JudgedRequest>, policy = open): number | null {
  const request = { method: 'GET', url: '/v2/apps', remoteAddress: '127.0.0.1', ...changes, headers: { host: 'localhost:8080', ...changes.headers } };
  return judgeRequest(request, policy)?.status ?? null;
}

describe('judgeRequest', () => {
  it.each([
    'localhost:8080',
    'LOCALHOST',
    'localhost.',
    '127.0.0.1:8080',
    '127.0.0.7',
    '127.255.0.1:1',
    '[::1]:8080',
    '[::1]',
    'ekiden.example:8080',
    'lb.example:99',
  ])('serves Host %s', (host) => expect(judge({ headers: { host } })).toBeNull());

  it.each([
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'notlocalhost',
    '128.0.0.1',
    '[::2]:8080',
    'ekiden.example',
    'ekiden.example:8081',
    'localhost:8080@evil.example',
    'localhost:8080, evil.example',
    '',
    undefined,
  ])('refuses Host %s: DNS rebinding brings a foreign name to loopback', (host) => {
    expect(judge({ headers: { host } })).toBe(403);
  });

  it('refuses a foreign page’s POST of text/plain, which needs no preflight', () => {
    const headers = { origin: 'http://evil.example', 'content-type': 'text/plain', 'content-length': '5' };
    expect(judge({ method: 'POST', headers })).toBe(403);
    expect(judge({ method: 'POST', headers: { ...headers, 'content-type': 'application/json' } })).toBe(403);
  });

  it.each(['null', 'http://localhost:3000', 'http://127.0.0.1:8080', 'http://evil.example:8080', 'file://', 'localhost:8080', ''])(
    'refuses Origin %s',
    (origin) => expect(judge({ headers: { origin } })).toBe(403),
  );

  it('lets its own pages and the allowed hosts in', () => {
    expect(judge({ headers: { origin: 'http://localhost:8080' } })).toBeNull();
    expect(judge({ headers: { host: '[::1]:8080', origin: 'http://[::1]:8080' } })).toBeNull();
    expect(judge({ headers: { origin: 'https://ekiden.example:8080' } })).toBeNull();
  });

  it('takes a page on another port of loopback for a stranger, unless that port is listed', () => {
    const policy = { ...open, allowedHosts: ['127.0.0.1', 'localhost:3000'] };
    expect(judge({ headers: { host: '127.0.0.1:5050', origin: 'http://127.0.0.1:31000' } }, policy)).toBe(403);
    expect(judge({ headers: { host: '127.0.0.1:5050', origin: 'http://127.0.0.1:5050' } }, policy)).toBeNull();
    expect(judge({ headers: { host: '127.0.0.1:5050', origin: 'http://localhost:3000' } }, policy)).toBeNull();
    expect(judge({ headers: { 'sec-fetch-site': 'same-site' } })).toBe(403);
    expect(judge({ headers: { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' } })).toBeNull();
  });

  it('refuses what the browser calls cross-site, but not a link that a person follows', () => {
    expect(judge({ headers: { 'sec-fetch-site': 'cross-site' } })).toBe(403);
    expect(judge({ headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } })).toBeNull();
    expect(judge({ method: 'POST', headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } })).toBe(403);
    expect(judge({ headers: { 'sec-fetch-site': 'same-origin' } })).toBeNull();
  });

  it('without tokens serves loopback only', () => {
    expect(judge({ remoteAddress: '::1' })).toBeNull();
    expect(judge({ remoteAddress: '::ffff:127.0.0.3' })).toBeNull();
    expect(judge({ remoteAddress: '10.0.0.1' })).toBe(401);
    expect(judge({ remoteAddress: undefined })).toBe(401);
  });

  it('with tokens asks everybody for one, loopback too', () => {
    expect(judge({}, guarded)).toBe(401);
    expect(judge({ headers: { authorization: 'Bearer wrong' } }, guarded)).toBe(401);
    expect(judge({ headers: { authorization: 'other-token-0123456789' } }, guarded)).toBe(401);
    expect(judge({ headers: { authorization: 'Bearer other-token-0123456789' }, remoteAddress: '10.0.0.1' }, guarded)).toBeNull();
  });

  it('opens the open paths, and no path that only looks like one', () => {
    for (const url of ['/ping', '/ping?x=1', '/docs', '/docs/index.html']) expect(judge({ url, remoteAddress: '10.0.0.1' }, guarded)).toBeNull();
    for (const url of ['/pingx', '/ping/', '/docsx', '/docs/../v2/apps', '/docs/%2e%2e/v2/apps', '/docs/..\\v2']) expect(judge({ url }, guarded)).toBe(401);
    expect(judge({ url: '/ping', headers: { host: 'evil.example' } }, guarded)).toBe(403);
  });

  it('wants a media type from writes that no form can send', () => {
    const write = (contentType: string | undefined, length = '2', method = 'POST') =>
      judge({ method, headers: { 'content-type': contentType, 'content-length': length } });
    expect(write('application/json')).toBeNull();
    expect(write('Application/JSON; charset=utf-8')).toBeNull();
    expect(write('application/x-protobuf')).toBeNull();
    for (const form of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', undefined]) expect(write(form)).toBe(415);
    expect(write(undefined, '0')).toBeNull();
    expect(write('text/plain', '0')).toBe(415);
    expect(write('text/plain', '0', 'DELETE')).toBeNull();
  });
});

it('says who asks by the place of the token, never by the token', () => {
  const from = (token: string | null, remoteAddress: string): string =>
    whoAsks({ headers: token === null ? {} : { authorization: `Bearer ${token}` }, remoteAddress }, { tokens: ['first-token', 'second-token'] });
  expect([from('second-token', '10.0.0.7'), from('wrong', '10.0.0.7'), from(null, '127.0.0.1')]).toEqual(['token 2 from 10.0.0.7', '10.0.0.7', '127.0.0.1']);
});
