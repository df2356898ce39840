/** The HTTP layer on a free port over a fake core, and a client that keeps what matters of an answer. */
import { newMetrics, silentLog, systemWorld } from '@ekiden/service';
import { openHttp, type OpenHttp } from '../src/http/open-http.js';
import type { Rim } from '../src/http/rim.js';
import { fakePaasApi, type FakeApi } from './fake-paas-api.js';

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: unknown;
  readonly headers: Headers;
}

export interface HttpBench {
  readonly api: FakeApi;
  readonly url: string;
  send(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  close(): Promise<void>;
}

export async function openBench(more: Partial<Rim> = {}): Promise<HttpBench> {
  const api = fakePaasApi();
  const rim: Rim = {
    api,
    config: {
      address: '127.0.0.1:1',
      hostname: 'here',
      frameworkName: 'ekiden',
      user: 'me',
      role: '*',
      failoverTimeoutMs: 1_000,
      servicePorts: { min: 10_000, max: 20_000 },
      maxRunningDeployments: 100,
      killRetryMs: 1_000,
      launchTimeoutMs: 1_000,
      reconcileIntervalMs: 1_000,
      sweepIntervalMs: 1_000,
      declineMs: 1_000,
      maxLaunchesPerAccept: 5,
    },
    leader: async () => ({ address: '127.0.0.1:1' }),
    abdicate: () => void (api.isLeading = false),
    clock: systemWorld(silentLog).clock,
    log: silentLog,
    metrics: newMetrics('test'),
    policy: { allowedHosts: [], tokens: [], contentTypes: [], openPaths: ['/ping', '/docs', '/docs/*'] },
    masters: [],
    clusterToken: null,
    fetch,
    buildVersion: 'test',
    ...more,
  };
  const http: OpenHttp = await openHttp(rim, { host: '127.0.0.1', port: 0 });
  return {
    api,
    url: http.url,
    close: () => http.close(),
    async send(method, path, body, headers = {}) {
      const text = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body);
      const response = await fetch(http.url + path, {
        method,
        redirect: 'manual',
        headers: { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(text === undefined ? {} : { body: text }),
      });
      const answer = await response.text();
      let parsed: unknown = null;
      try {
        parsed = JSON.parse(answer);
      } catch {
        parsed = null; // not JSON: `text` has it
      }
      return { status: response.status, text: answer, body: parsed, headers: response.headers };
    },
  };
}
