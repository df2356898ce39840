/** Which apps users ask about at a process of paas-api, while it has not answered: what it commits then may be for them. */
import type { AppId } from '@ekiden/model';
import type { Request } from '../world/sim-event.js';
import type { Check } from './invariant.js';

export class OpenRequests {
  /** Process → its open requests. One that died answers none: they stay. */
  private readonly open = new Map<string, Map<number, Request>>();

  /** To be listened to by the invariant that asks. */
  readonly on: Pick<NonNullable<Check['on']>, 'asked' | 'answered'> = {
    asked: ({ request }) => {
      const requests = this.open.get(request.by) ?? new Map<number, Request>();
      this.open.set(request.by, requests.set(request.number, request));
    },
    answered: ({ request }) => void this.open.get(request.by)?.delete(request.number),
  };

  appsAskedOf(by: string): ReadonlySet<AppId> {
    return new Set([...(this.open.get(by)?.values() ?? [])].flatMap((request) => request.apps));
  }
}
