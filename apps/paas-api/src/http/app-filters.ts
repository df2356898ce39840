/** Which apps a list shows: `cmd`, `id` and `label` of GET /v2/apps, and what lies below a group (Marathon: 6.1). */
import { parseLabelSelector } from '@ekiden/marathon-api';
import type { PaasView } from '../paas-api.js';
import type { AppVersionRow } from '../store/paas-store.js';
import { wantedVersion } from './render-app.js';

/** All apps that are wanted, by id. */
export function wantedApps(view: PaasView): AppVersionRow[] {
  const rows = view.apps().flatMap(({ id }) => wantedVersion(view, id) ?? []);
  return rows.sort((a, b) => (a.appId < b.appId ? -1 : 1));
}

/** The filters are ANDed. Throws `invalid-object` for a label selector that cannot be read. */
export function filterApps(view: PaasView, query: URLSearchParams): AppVersionRow[] {
  const cmd = query.get('cmd')?.toLowerCase() ?? null;
  const id = query.get('id')?.toLowerCase() ?? null;
  const label = query.get('label');
  const selects = label === null ? null : parseLabelSelector(label);
  return wantedApps(view).filter(({ appId, spec }) => {
    const line = spec.command.kind === 'shell' ? spec.command.line.toLowerCase() : null;
    return (cmd === null || (line !== null && line.includes(cmd))) && (id === null || appId.includes(id)) && (selects === null || selects(spec.labels));
  });
}

/** Apps below a group, at any depth; `/` is the root. */
export const appsBelow = (view: PaasView, group: string): AppVersionRow[] =>
  wantedApps(view).filter(({ appId }) => group === '/' || appId.startsWith(`${group}/`));
