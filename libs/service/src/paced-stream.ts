/**
 * Sends a stream of any length to one HTTP client, at the pace at which that client reads.
 *
 * The next frame is made only when the one before has left, so that a slow client costs one frame of memory; one that takes
 * nothing for too long is cut off. It comes back and goes on where it was: streams sent so have positions.
 */
import type { ServerResponse } from 'node:http';

export interface Pace {
  /** Sent now and then, so that both ends and all proxies know that the other one lives; null: nothing. */
  readonly heartbeat: string | null;
  readonly heartbeatMs: number;
  /** How long a client may take no byte of what waits for it. */
  readonly stallMs: number;
}

export type PacedEnd = 'sent' | 'left' | 'stalled';

/**
 * Sends the frames until there are no more, or the client leaves (`left`) or stalls; the response is over then. `frames` is told by
 * the signal that nobody reads any more. What it throws ends the response in a way that shows it, and is thrown on.
 */
export async function sendPaced(response: ServerResponse, frames: (gone: AbortSignal) => AsyncIterable<string | Buffer>, pace: Pace): Promise<PacedEnd> {
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  response.on('close', leave);
  response.on('error', leave);
  if (response.destroyed) leave();
  const beat = setInterval(() => {
    if (pace.heartbeat !== null && response.writableLength === 0) response.write(pace.heartbeat);
  }, pace.heartbeatMs);
  try {
    for await (const frame of frames(gone.signal)) {
      if (gone.signal.aborted) return 'left';
      if (response.write(frame)) continue;
      if (await hasDrained(response, pace.stallMs)) continue;
      const end = gone.signal.aborted ? 'left' : 'stalled';
      response.destroy();
      return end;
    }
    if (gone.signal.aborted) return 'left';
    response.end();
    return 'sent';
  } catch (error) {
    response.destroy();
    if (gone.signal.aborted) return 'left';
    throw error;
  } finally {
    clearInterval(beat);
    gone.abort();
    response.off('close', leave);
  }
}

function hasDrained(response: ServerResponse, stallMs: number): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const done = (drained: boolean) => () => {
      clearTimeout(timer);
      response.off('drain', yes).off('close', no);
      resolve(drained);
    };
    const yes = done(true);
    const no = done(false);
    const timer = setTimeout(no, stallMs);
    response.on('drain', yes).on('close', no);
  });
}
