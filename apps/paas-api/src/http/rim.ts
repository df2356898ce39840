/** What the HTTP layer is handed: the core, who leads, and the way to master and agents. One value, injected under `RIM`. */
import type { Clock, Log } from '@ekiden/model';
import type { Metrics, RequestPolicy } from '@ekiden/service';
import type { PaasApi, PaasConfig } from '../paas-api.js';

export const RIM = Symbol('Rim');

export interface Rim {
  readonly api: PaasApi;
  readonly config: PaasConfig;
  /** Who leads now, by the store: this process or another; null when nobody does. */
  leader(): Promise<{ readonly address: string } | null>;
  /** Gives up the lead: this process ends, and its parent starts it again. */
  abdicate(): void;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly policy: RequestPolicy;
  /** Base URLs, tried in order. */
  readonly masters: readonly string[];
  /** Sent to masters and agents; null: none. */
  readonly clusterToken: string | null;
  readonly fetch: typeof fetch;
  /** Ekiden's own version, for `/v2/info`. */
  readonly buildVersion: string;
}
