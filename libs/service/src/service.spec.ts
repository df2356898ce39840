import { fork } from 'node:child_process';
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeStateDirectory, readTokenFile } from './files.js';
import { createLog } from './log.js';
import { assertBindable } from './loopback.js';
import { newMetrics } from './metrics.js';
import { Secret } from './secret.js';

const scratch = (): string => mkdtempSync(join(tmpdir(), 'ekiden-service-'));

describe('the shell of a process', () => {
  it('logs one JSON line an event, with its fields', () => {
    const lines: string[] = [];
    const log = createLog({ name: 'master', destination: { write: (line: string) => void lines.push(line) } });
    log.debug('not-shown');
    log.warn('offer-declined', { agentId: 'a1', token: new Secret('hush'), error: new Error('boom') });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'warn',
      name: 'master',
      event: 'offer-declined',
      agentId: 'a1',
      token: '***',
      error: { message: 'boom' },
    });
    expect(lines[0]).not.toContain('hush');
  });

  it('binds another address than loopback only with a token', () => {
    for (const address of ['127.0.0.1', '127.0.0.9', '::1', '[::1]', 'localhost']) expect(() => assertBindable(address, [])).not.toThrow();
    for (const address of ['0.0.0.0', '::', '10.0.0.1', 'node-1']) {
      expect(() => assertBindable(address, [])).toThrow(/--token-file/);
      expect(() => assertBindable(address, ['t'])).not.toThrow();
    }
  });

  it('ends when its parent was gone before it began', async () => {
    const child = fork(join(__dirname, '../test/late-service.ts'), { execArgv: ['--import', 'tsx'], stdio: 'ignore' });
    const code = new Promise((resolve) => child.once('exit', resolve));
    child.disconnect();
    expect(await code).toBe(0);
  }, 30_000);

  it('reads tokens one a line', () => {
    const file = join(scratch(), 'token');
    writeFileSync(file, '# rotated\n 0123456789abcdef \n\nfedcba9876543210\n');
    expect(readTokenFile(file)).toEqual(['0123456789abcdef', 'fedcba9876543210']);
    writeFileSync(file, 'short');
    expect(() => readTokenFile(file)).toThrow(/at least 16/);
    writeFileSync(file, '\n');
    expect(() => readTokenFile(file)).toThrow(/no token/);
    expect(() => readTokenFile('/nowhere/token')).toThrow(/cannot be read/);
  });

  it('makes state directories for their owner alone', () => {
    const path = join(scratch(), 'a', 'b');
    makeStateDirectory(path);
    makeStateDirectory(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it('keeps metrics of its own', async () => {
    const metrics = newMetrics('ekiden_master');
    metrics.counter('offers_total', 'Offers made.', ['role']).inc({ role: 'web' }, 2);
    newMetrics('ekiden_master').counter('offers_total', 'Offers made.', ['role']);
    expect(await metrics.registry.metrics()).toContain('ekiden_master_offers_total{role="web"} 2');
  });
});
