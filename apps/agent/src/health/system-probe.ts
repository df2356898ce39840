/**
 * Probes as they really happen: one fresh connection each, closed afterwards.
 *
 * HTTP: certificates are not verified, redirects are not followed, 200 to 399 is success; of the body at most
 * `MAX_KEPT_BODY_BYTES` are read, and only when somebody wants them. A command enters its task as an operator's does (exec), and is
 * ended with all that it has started when time is up. May reject when it cannot even be begun.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { TaskProcess, TaskRuntime } from '@ekiden/isolation';
import type { Probe, ProbeResult } from '../agent-ports.js';
import { errorCode } from '../error-code.js';

export const MAX_KEPT_BODY_BYTES = 64 * 1024;

const failed = (cause: string, response: ProbeResult['response'] = null): ProbeResult => ({ ok: false, cause, response });

/** What of the runtime a command needs: it runs where and as its task does. */
export type TaskEntrance = Pick<TaskRuntime, 'exec'>;

export const systemProbe = (entrance: TaskEntrance): Probe => ({
  http: probeHttp,
  tcp: probeTcp,
  command: (target) => probeCommand(target, entrance),
});

const probeHttp: Probe['http'] = (target) =>
  new Promise((resolve) => {
    const send = target.scheme === 'https' ? httpsRequest : httpRequest;
    const options = { host: target.host, port: target.port, path: target.path, agent: false, rejectUnauthorized: false, headers: { accept: '*/*' } };
    const request = send(options, (response) => {
      void readBody(response, target.keepBody).then((body) => {
        clearTimeout(timer);
        request.destroy();
        const status = response.statusCode ?? 0;
        const kept = { status, contentType: response.headers['content-type'] ?? '', body };
        resolve(status >= 200 && status < 400 ? { ok: true, cause: null, response: kept } : failed(`HTTP ${status}`, kept));
      });
    });
    const timer = setTimeout(() => request.destroy(new Error(`timed out after ${target.timeoutMs} ms`)), target.timeoutMs);
    request.on('error', (error) => {
      clearTimeout(timer);
      resolve(failed(causeOf(error)));
    });
    request.end();
  });

/** Never rejects: a body that breaks off is kept as far as it came. */
function readBody(response: IncomingMessage, keep: boolean): Promise<string> {
  if (!keep) return Promise.resolve('');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const done = (): void => resolve(Buffer.concat(chunks).subarray(0, MAX_KEPT_BODY_BYTES).toString('utf8'));
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= MAX_KEPT_BODY_BYTES) done();
    });
    response.on('end', done);
    response.on('close', done);
    response.on('error', done);
  });
}

const probeTcp: Probe['tcp'] = (target) =>
  new Promise((resolve) => {
    const socket = connect({ host: target.host, port: target.port });
    const finish = (result: ProbeResult): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => finish(failed(`timed out after ${target.timeoutMs} ms`)), target.timeoutMs);
    socket.on('connect', () => finish({ ok: true, cause: null, response: null }));
    socket.on('error', (error) => finish(failed(causeOf(error))));
  });

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function probeCommand(target: Parameters<Probe['command']>[0], { exec }: TaskEntrance): Promise<ProbeResult> {
  const { taskId, sandbox, env, user, isolation, nofile, line, timeoutMs, stop } = target;
  if (exec === undefined) return failed('this agent cannot run commands in tasks');
  let command: TaskProcess | null = null;
  let isOverdue = false;
  // It may still be on its way in: then it ends as soon as it is there.
  const timer = setTimeout(() => {
    isOverdue = true;
    command?.kill();
  }, timeoutMs);
  const end = (): void => command?.kill();
  stop.addEventListener('abort', end);
  try {
    const limits = nofile === undefined ? {} : { nofile };
    command = await exec({ taskId, sandbox, env, user, ...isolation, ...limits, argv: ['/bin/sh', '-c', line], io: 'none' });
    if (isOverdue || stop.aborted) command.kill();
    const { code, signal } = await command.ended;
    if (isOverdue) return failed(`timed out after ${timeoutMs} ms`);
    if (code === 0) return { ok: true, cause: null, response: null };
    return failed(signal === null ? `exit status ${code}` : `killed by ${signal}`);
  } catch (error) {
    return failed(wordsOf(error));
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', end);
  }
}

function causeOf(error: Error): string {
  const code = errorCode(error);
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ECONNRESET') return 'connection reset';
  return error.message;
}
