/**
 * Waits for a deployment and shows how far it is.
 *
 * It looks at the state, not at the messages: an event only says "look now", and without any it looks once a second. So
 * a lost stream or a restart of the API costs nothing.
 */
import { Presets, SingleBar } from 'cli-progress';
import type { EkidenApi, Receipt } from '../api/ekiden-api.js';
import { readEvents } from '../api/event-stream.js';
import { ApiError } from '../api/http.js';
import type { App, Deployment } from '../api/shapes.js';
import { CliError, EXIT, messageOf } from '../cli-error.js';
import { progressOf, type Progress } from '../render/deployment-text.js';
import type { Context } from './context.js';

const LOOK_EVERY_MS = 1_000;
/** Looks that fail in a row (the API restarts) until we give up. */
const MAX_FAILED_LOOKS = 60;

/** The receipt's deployment to its end, and the exit code that goes with it. `--no-wait` only names it. */
export async function settle(context: Context, what: string, receipt: Receipt, wait: boolean): Promise<void> {
  for (const warning of receipt.warnings) context.tell(`warning: ${warning}`);
  if (!wait)
    return context.print({ deploymentId: receipt.deploymentId, version: receipt.version }, () => `${what}: deployment ${receipt.deploymentId} has begun`);
  const deployment = await follow(context, receipt.deploymentId);
  context.print(deployment, () => outcomeText(what, deployment));
  context.exitWith(exitCodeOf(deployment));
}

export function exitCodeOf(deployment: Deployment): number {
  if (deployment.state === 'succeeded') return EXIT.done;
  return deployment.state === 'running' && deployment.stuckSince !== null ? EXIT.stuck : EXIT.failed;
}

export function outcomeText(what: string, deployment: Deployment): string {
  const [app = ''] = deployment.affectedApps;
  if (deployment.state === 'succeeded') return `${what}: done`;
  if (deployment.state === 'running')
    return `${what}: stuck: ${deployment.reason ?? 'no progress'}\n  why: ekiden why ${app}\n  go back: ekiden rollback ${app} --force`;
  return `${what}: ${deployment.state}${deployment.reason === null ? '' : `: ${deployment.reason}`}`;
}

async function follow(context: Context, id: string): Promise<Deployment> {
  const over = new AbortController();
  const bell = ringOnEvents(context.api, over.signal);
  const bar = newBar(context);
  let failures = 0;
  try {
    for (;;) {
      const looked = await look(context.api, id).catch((error: unknown) => {
        failures += 1;
        if (failures > MAX_FAILED_LOOKS || (error instanceof ApiError && error.status < 500)) throw error;
        return null;
      });
      if (looked !== null) {
        failures = 0;
        bar.show(looked);
        if (looked.deployment.state !== 'running' || looked.deployment.stuckSince !== null) return looked.deployment;
      }
      await bell.next(LOOK_EVERY_MS);
    }
  } finally {
    over.abort();
    bar.stop();
  }
}

interface Looked {
  readonly deployment: Deployment;
  readonly progress: Progress;
}

async function look(api: EkidenApi, id: string): Promise<Looked> {
  const deployment = await api.deployment(id);
  const apps = await Promise.all(deployment.affectedApps.map((app) => api.app(app).catch(gone)));
  return { deployment, progress: progressOf(apps.filter((app) => app !== null)) };
}

/** A deployment that deletes an app ends with the app's 404. */
function gone(error: unknown): App | null {
  if (error instanceof ApiError && error.status === 404) return null;
  throw error;
}

interface Bar {
  show(looked: Looked): void;
  stop(): void;
}

function newBar(context: Context): Bar {
  if (context.isInteractive && !context.json) {
    const bar = new SingleBar(
      { format: '  {bar} {value}/{total} up  step {step}/{steps}  {reason}', hideCursor: true, clearOnComplete: true, stream: process.stderr },
      Presets.shades_classic,
    );
    let isStarted = false;
    return {
      show({ deployment, progress }) {
        const payload = { step: deployment.currentStep, steps: deployment.totalSteps, reason: (deployment.reason ?? '').slice(0, 60) };
        if (!isStarted) bar.start(Math.max(1, progress.total), progress.done, payload);
        isStarted = true;
        bar.setTotal(Math.max(1, progress.total));
        bar.update(progress.done, payload);
      },
      stop: () => bar.stop(),
    };
  }
  let last = '';
  return {
    show({ deployment, progress }) {
      const line = `${progress.done}/${progress.total} up, step ${deployment.currentStep}/${deployment.totalSteps}${deployment.reason === null ? '' : `: ${deployment.reason}`}`;
      if (line !== last && !context.json) context.tell(`  ${line}`);
      last = line;
    },
    stop: () => undefined,
  };
}

/** `next` resolves at the next event, or after the given time at the latest. */
function ringOnEvents(api: EkidenApi, signal: AbortSignal): { next(timeoutMs: number): Promise<void> } {
  let rung = false;
  let wake: () => void = () => undefined;
  const listen = async (): Promise<void> => {
    for await (const _event of readEvents(await api.events([], signal))) {
      rung = true;
      wake();
    }
  };
  listen().catch((error: unknown) => {
    // Without events we look once a second; what is wrong with the API shows there.
    if (!signal.aborted && !(error instanceof CliError)) process.emitWarning(`event stream: ${messageOf(error)}`, { type: 'EkidenWarning' });
  });
  return {
    next: (timeoutMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, rung ? MIN_LOOK_MS : timeoutMs);
        rung = false;
        wake = () => {
          clearTimeout(timer);
          setTimeout(resolve, MIN_LOOK_MS);
        };
      }),
  };
}

/** Events come in bursts: one look for each burst. */
const MIN_LOOK_MS = 100;
