/**
 * An app on the wire, after normalisation: the canonical form that is stored and that `GET` answers.
 *
 * Field names are Marathon's (`reference: 7. The App object`); deprecated ones are gone, defaults are filled in. Only the
 * schema makes one (`parse-app.ts`); the rest of Ekiden treats it as opaque and asks `to-app-spec.ts`.
 */
export type AppDefinition = Readonly<Record<string, unknown>> & { readonly id: string; readonly instances: number };

/** What was left out of a definition on purpose, as sentences for `Warning` headers (decision 16). */
export interface Normalized {
  readonly definition: AppDefinition;
  readonly warnings: readonly string[];
}

export interface NormalizeOptions {
  /** The cluster's default role. */
  readonly defaultRole: string;
}
