/**
 * What many clients read again and again, kept as text: an app under its embeds, and whole lists of them.
 *
 * Texts are made from committed rows and dropped when the core says that an app changed. A deployment shows in the apps that
 * it affects, so apps of running deployments, and of those that were running before, are dropped with every change.
 */
import type { AppId } from '@ekiden/model';
import type { PaasApi } from '../paas-api.js';
import type { AppVersionRow } from '../store/paas-store.js';
import { embedsKey, type Embeds } from './embed.js';
import { renderApp, wantedVersion } from './render-app.js';

/** Whole answers kept, over all URLs; beyond it the oldest goes. */
const MAX_ANSWERS = 2_000;

export class AppReads {
  private readonly fragments = new Map<AppId, Map<string, string>>();
  /** By URL: finished answers, and the apps that they show (null: any). */
  private readonly answers = new Map<string, { readonly bytes: Buffer; readonly of: AppId | null }>();
  private deploying: ReadonlySet<AppId> = new Set();
  private readonly unsubscribe: () => void;

  constructor(
    private readonly api: PaasApi,
    private readonly now: () => number,
  ) {
    this.unsubscribe = api.onChange((apps) => this.drop(apps));
  }

  close(): void {
    this.unsubscribe();
  }

  /** An app as JSON text; null when it is not known. */
  app(id: AppId, embeds: Embeds): string | null {
    const row = wantedVersion(this.api.view, id);
    return row === null ? null : this.fragment(row, embeds);
  }

  fragment(row: AppVersionRow, embeds: Embeds): string {
    if (embeds.taskStats) return JSON.stringify(renderApp(this.api.view, row, embeds, this.now()));
    const key = embedsKey(embeds);
    let ofApp = this.fragments.get(row.appId);
    if (ofApp === undefined) this.fragments.set(row.appId, (ofApp = new Map()));
    let text = ofApp.get(key);
    if (text === undefined) ofApp.set(key, (text = JSON.stringify(renderApp(this.api.view, row, embeds, this.now()))));
    return text;
  }

  /** A finished answer to this URL that still holds, or null. */
  answerTo(url: string): Buffer | null {
    return this.answers.get(url)?.bytes ?? null;
  }

  /** Keeps an answer until `of` changes; null: until anything does. */
  keep(url: string, of: AppId | null, text: string): Buffer {
    const bytes = Buffer.from(text);
    if (this.answers.size >= MAX_ANSWERS) {
      const [oldest] = this.answers.keys();
      if (oldest !== undefined) this.answers.delete(oldest);
    }
    this.answers.set(url, { bytes, of });
    return bytes;
  }

  private drop(changed: ReadonlySet<AppId>): void {
    const nowDeploying = new Set(this.api.view.deployments().flatMap(({ changes }) => changes.map(({ appId }) => appId)));
    const stale = new Set([...changed, ...this.deploying, ...nowDeploying]);
    this.deploying = nowDeploying;
    for (const id of stale) this.fragments.delete(id);
    for (const [url, { of }] of this.answers) if (of === null || stale.has(of)) this.answers.delete(url);
  }
}
