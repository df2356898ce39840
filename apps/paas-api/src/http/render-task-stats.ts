/** `embed=taskStats`: counts and life times, over all tasks and by version (Marathon: 10.5). */
import type { Instance, Instant } from '@ekiden/model';
import type { PaasView } from '../paas-api.js';
import type { AppVersionRow } from '../store/paas-store.js';
import type { Json } from './stored-definition.js';

export function renderTaskStats(view: PaasView, row: AppVersionRow, now: Instant): Json {
  const all = view.instances(row.appId).filter(({ condition }) => condition.kind !== 'scheduled' && condition.kind !== 'terminal');
  return {
    ...group('totalSummary', view, all, now),
    ...group(
      'startedAfterLastScaling',
      view,
      all.filter(({ version }) => version >= row.scalingVersion),
      now,
    ),
    ...group(
      'withLatestConfig',
      view,
      all.filter(({ version }) => version >= row.configVersion),
      now,
    ),
    ...group(
      'withOutdatedConfig',
      view,
      all.filter(({ version }) => version < row.configVersion),
      now,
    ),
  };
}

function group(name: string, view: PaasView, instances: readonly Instance[], now: Instant): Json {
  if (instances.length === 0) return {};
  const running = instances.filter(({ condition }) => condition.kind === 'running');
  const lives = running.map(({ condition }) => (now - condition.since) / 1_000).sort((a, b) => a - b);
  const count = (wanted: string): number => running.filter((instance) => view.health(instance) === wanted).length;
  const counts = {
    staged: instances.filter(({ condition }) => condition.kind === 'provisioned' || condition.kind === 'staging').length,
    running: running.length,
    healthy: count('healthy'),
    unhealthy: count('unhealthy'),
  };
  const lifeTime = lives.length === 0 ? {} : { lifeTime: { averageSeconds: average(lives), medianSeconds: lives[Math.floor(lives.length / 2)] ?? 0 } };
  return { [name]: { stats: { counts, ...lifeTime } } };
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
