/** The order of a deployment's actions, as text. */
import { appId, type AppId } from '@ekiden/model';
import { findCycle, planDeployment, type ChangeKind } from './deployment-steps.js';

const dependenciesOf = (edges: Record<string, readonly string[]>): Map<AppId, readonly string[]> =>
  new Map(Object.entries(edges).map(([app, needs]) => [appId(app), needs]));

function plan(changes: Record<string, ChangeKind>, edges: Record<string, readonly string[]> = {}, more: readonly string[] = []): string[] | string {
  const apps = [...Object.keys(changes), ...more].map(appId);
  const result = planDeployment({
    changes: Object.entries(changes).map(([app, kind]) => ({ appId: appId(app), kind })),
    dependencies: dependenciesOf(edges),
    apps,
  });
  if (result.kind === 'cycle') return result.path.join(' → ');
  return result.steps.map((step) => step.map(({ action, appId: app }) => `${action.replace('Application', '')} ${app}`).join(', '));
}

describe('a deployment', () => {
  it('announces a new app, then scales it', () => {
    expect(plan({ '/a': 'create' })).toEqual(['Start /a', 'Scale /a']);
  });

  it('changes what others depend on first, and what is independent together', () => {
    expect(plan({ '/web': 'restart', '/api': 'scale', '/db': 'restart', '/solo': 'policy' }, { '/web': ['/api'], '/api': ['/db'] })).toEqual([
      'Restart /db, Scale /solo',
      'Scale /api',
      'Restart /web',
    ]);
  });

  it('takes an app’s layer from the whole graph, not from what changes', () => {
    expect(plan({ '/web': 'restart', '/other': 'restart' }, { '/web': ['/mid'], '/mid': ['/db'] }, ['/mid', '/db'])).toEqual([
      'Restart /other',
      'Restart /web',
    ]);
  });

  it('stops last, and dependents before what they depend on', () => {
    expect(plan({ '/old/web': 'delete', '/old/db': 'delete', '/new': 'create' }, { '/old/web': ['/old/db'] })).toEqual([
      'Start /new',
      'Scale /new',
      'Stop /old/web',
      'Stop /old/db',
    ]);
  });

  it('takes a group for all apps below it and an unknown id for nothing', () => {
    expect(plan({ '/web': 'restart', '/data/a': 'restart', '/data/b/c': 'restart' }, { '/web': ['/data', '/nowhere'] })).toEqual([
      'Restart /data/a, Restart /data/b/c',
      'Restart /web',
    ]);
  });

  it('names a cycle', () => {
    expect(plan({ '/a': 'restart', '/b': 'restart', '/top': 'restart' }, { '/a': ['/b'], '/b': ['/a'], '/top': ['/a'] })).toBe('/a → /b → /a');
    expect(findCycle(dependenciesOf({ '/a': ['/a'] }), [appId('/a')])).toEqual(['/a', '/a']);
    expect(findCycle(dependenciesOf({ '/a': ['/'] }), [appId('/a'), appId('/b')])).toBeNull();
  });

  it('is quick on a wide diamond, on which counting all paths would not end', () => {
    const edges: Record<string, readonly string[]> = {};
    const changes: Record<string, ChangeKind> = {};
    for (let layer = 0; layer < 60; layer += 1) {
      for (const side of ['l', 'r']) {
        changes[`/${side}${layer}`] = 'restart';
        if (layer > 0) edges[`/${side}${layer}`] = [`/l${layer - 1}`, `/r${layer - 1}`];
      }
    }
    expect(plan(changes, edges)).toHaveLength(60);
  });
});
