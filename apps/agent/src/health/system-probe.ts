/**
 * Probes as they really happen: one fresh connection each, closed afterwards.
 *
 * HTTP: certificates are not verified, redirects are not followed, 200 to 399 is success; of the body at most
 * `MAX_KEPT_BODY_BYTES` are read, and only when somebody wants them. A command runs in the control groups of its task, and in a
 * process group of its own, which is killed as a whole when time is up. May reject when it cannot even be begun.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { descendantsOf, type EnteredTask, type TaskRuntime } from '@ekiden/isolation';
import type { Probe, ProbeResult } from '../agent-ports.js';
import { errorCode } from '../error-code.js';

export const MAX_KEPT_BODY_BYTES = 64 * 1024;

const failed = (cause: string, response: ProbeResult['response'] = null): ProbeResult => ({ ok: false, cause, response });

/** What of the runtime a command needs that runs where and as its task does. */
export type TaskEntrance = Pick<TaskRuntime, 'joinFiles' | 'enter'>;

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

/** Waits for the word that it is inside before it runs anything of the task's. Until then it is as we are: nothing is looked up in the task's PATH. */
const HELD = 'read -r _; exec "$@" </dev/null';

/** Its groups are entered for it. Throws when they are gone: so is the task. */
function release(child: ChildProcess, groups: readonly string[]): void {
  child.stdin?.on('error', () => undefined); // it has ended already, as its exit tells
  for (const group of groups) writeFileSync(group, String(child.pid));
  child.stdin?.end('\n');
}

async function probeCommand(target: Parameters<Probe['command']>[0], { joinFiles, enter }: TaskEntrance): Promise<ProbeResult> {
  const groups = joinFiles?.(target.taskId) ?? [];
  let entered: EnteredTask = { env: target.env, words: [] };
  try {
    if (enter !== undefined) entered = await enter({ ...target, ...target.isolation });
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', HELD, 'sh', ...entered.words, '/bin/sh', '-c', target.line], {
      cwd: target.sandbox,
      env: { ...entered.env },
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    let isOverdue = false;
    const end = (): void => {
      if (child.pid === undefined) return;
      // What was brought into a container has left the group.
      const below = descendantsOf(child.pid);
      killGroup(child.pid);
      for (const pid of below) killOne(pid);
    };
    const timer = setTimeout(() => {
      isOverdue = true;
      end();
    }, target.timeoutMs);
    target.stop.addEventListener('abort', end);
    const over = (): void => {
      clearTimeout(timer);
      target.stop.removeEventListener('abort', end);
    };
    child.on('error', (error) => {
      over();
      resolve(failed(`the command could not be started: ${error.message}`));
    });
    child.on('exit', (code, signal) => {
      over();
      end(); // what it left in the background
      if (isOverdue) resolve(failed(`timed out after ${target.timeoutMs} ms`));
      else if (code === 0) resolve({ ok: true, cause: null, response: null });
      else resolve(failed(signal === null ? `exit status ${code}` : `killed by ${signal}`));
    });
    if (child.pid === undefined) return; // the error says why
    try {
      release(child, groups);
    } catch (error) {
      end();
      resolve(failed(`the command could not enter the groups of its task: ${error instanceof Error ? error.message : String(error)}`));
    }
  });
}

const killGroup = (pid: number): void => killOne(-pid);

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'ESRCH' && code !== 'EPERM') throw error; // gone already; or it has become another user's
  }
}

function causeOf(error: Error): string {
  const code = errorCode(error);
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ECONNRESET') return 'connection reset';
  return error.message;
}
