/**
 * A client who wants something done: it repeats its request until a 2xx comes, whoever dies meanwhile.
 *
 * A repetition may be refused because the first try had been taken (the app is locked by that deployment, the app is gone).
 * Then the client looks: what a read shows says whether it was.
 */
import { EkidenError } from '@ekiden/model';
import type { PaasApi, PaasView } from '../../../apps/paas-api/src/paas-api.js';
import type { World } from '../world/world.js';

export interface Request {
  readonly what: string;
  /** It is sent once this holds; absent: at once. */
  readonly when?: (view: PaasView) => boolean;
  readonly send: (api: PaasApi) => Promise<unknown>;
  /** A repetition was refused: does a read show that an earlier try was taken? */
  readonly isTaken: (view: PaasView) => boolean;
}

/** Nobody knows what became of the request: it is sent again. */
const UNKNOWN_OUTCOMES: ReadonlySet<string> = new Set(['store-unavailable', 'stale-leader', 'no-leader']);

type Answer = { readonly kind: 'ok' } | { readonly kind: 'refused'; readonly error: unknown };

export class PatientClient {
  readonly breaches: string[] = [];
  private next = 0;
  private tries = 0;
  private asked: PaasApi | null = null;
  private answer: Answer | null = null;

  constructor(
    private readonly world: World,
    private readonly requests: readonly Request[],
  ) {}

  get isDone(): boolean {
    return this.next === this.requests.length;
  }

  /** Called after each step of the clock. */
  look(): void {
    const request = this.requests[this.next];
    if (request === undefined) return;
    const api = this.world.hasApi && this.world.api.isLeading ? this.world.api : null;
    if (this.asked !== null && this.asked === api && this.answer === null) return;
    if (this.asked !== null && this.answer !== null) this.hear(request, this.answer, this.asked.view);
    if (this.isDone || this.breaches.length > 0 || api === null) return;
    this.send(this.requests[this.next], api);
  }

  private send(request: Request | undefined, api: PaasApi): void {
    if (request === undefined || this.asked === api || request.when?.(api.view) === false) return;
    this.asked = api;
    this.answer = null;
    this.tries += 1;
    this.say(`${request.what}, try ${this.tries}`);
    request.send(api).then(
      () => this.asked === api && (this.answer = { kind: 'ok' }),
      (error: unknown) => this.asked === api && (this.answer = { kind: 'refused', error }),
    );
  }

  private hear(request: Request, answer: Answer, view: PaasView): void {
    this.asked = null;
    this.answer = null;
    if (answer.kind === 'refused') {
      const code = answer.error instanceof EkidenError ? answer.error.code : 'not an EkidenError';
      this.say(`${request.what}: refused, ${code}`);
      if (UNKNOWN_OUTCOMES.has(code)) return;
      if (this.tries === 1 || !request.isTaken(view)) {
        this.breaches.push(`8. ${request.what} was refused at try ${this.tries}: ${String(answer.error)}`);
        return;
      }
    } else this.say(`${request.what}: 2xx`);
    this.next += 1;
    this.tries = 0;
  }

  private say(event: string): void {
    this.world.log.push({ at: this.world.clock.now(), from: 'client', level: 'info', event, fields: {} });
  }
}
