/**
 * Users kill tasks: in place (relaunched), for good (`scale`), or with their instance (`wipe`).
 *
 * A plain kill takes no lock and earns no back-off. With `scale` it is a deployment: the app wants so many fewer, and
 * the named instances are the ones that go.
 */
import { EkidenError, parseTaskId, type AppId, type Instance, type InstanceId } from '@ekiden/model';
import type { Draft } from '../ledger/draft.js';
import type { StateReader } from '../ledger/paas-state.js';
import { policyOf, stepAndRecord } from '../ledger/record-step.js';
import type { KillOptions, KillResult } from '../paas-api.js';
import { applyTargets, type DesireContext } from './apply-targets.js';
import { appNotFound } from './change-apps.js';
import { asDefinition } from './definitions.js';
import { receiptOf } from './replace-app.js';

/** Task ids or instance ids, whatever the incarnation; unknown ones are skipped. Throws `bad-request`, `app-locked`. */
export function killTasks(draft: Draft, taskIds: readonly string[], options: KillOptions, context: DesireContext): KillResult {
  const found = new Map<InstanceId, Instance>();
  for (const raw of taskIds) {
    const instance = findInstance(draft, raw);
    if (instance !== null) found.set(instance.id, instance);
  }
  return kill(draft, [...found.values()], options, context);
}

/** All of an app, or those on one host. Throws `app-not-found`, `bad-request`, `app-locked`. */
export function killAppTasks(draft: Draft, id: AppId, host: string | null, options: KillOptions, context: DesireContext): KillResult {
  if (draft.desired(id) === null) throw appNotFound(id);
  const instances = draft.instances(id).filter((instance) => host === null || host === '*' || hostOf(instance) === host);
  return kill(draft, instances, options, context);
}

/** By task id or instance id. */
export function findInstance(reader: Pick<StateReader, 'instance'>, raw: string): Instance | null {
  const parsed = parseTaskId(raw) ?? parseTaskId(`${raw}._app`);
  return parsed === null ? null : reader.instance(parsed.instanceId);
}

function kill(draft: Draft, instances: readonly Instance[], options: KillOptions, context: DesireContext): KillResult {
  if (options.scale && options.wipe) {
    throw new EkidenError('bad-request', 'You cannot use scale and wipe at the same time.', {});
  }
  if (options.scale) return { kind: 'deployment', ...scaleDown(draft, instances, options.force, context) };
  const killed = instances.filter((instance) => instance.goal === 'running' && (options.wipe || instance.condition.kind !== 'scheduled'));
  for (const instance of killed) {
    const drainMs = policyOf(draft, instance)?.drainMs ?? 0;
    stepAndRecord(draft, instance, { kind: 'stop', reason: 'user-request', drainMs, decommission: options.wipe });
  }
  return { kind: 'killed', instances: killed };
}

function scaleDown(draft: Draft, instances: readonly Instance[], force: boolean, context: DesireContext) {
  const named = instances.filter((instance) => instance.goal === 'running' && instance.stop === null);
  const byApp = new Map<AppId, number>();
  for (const instance of named) byApp.set(instance.appId, (byApp.get(instance.appId) ?? 0) + 1);
  const targets = [...byApp].flatMap(([appId, count]) => {
    const current = draft.desired(appId);
    if (current === null) return [];
    const definition = asDefinition(current.definition);
    return [{ appId, definition: { ...definition, instances: Math.max(0, definition.instances - count) } }];
  });
  return receiptOf(applyTargets(draft, targets, { force, sentenced: named.map((instance) => instance.id) }, context));
}

const hostOf = ({ condition }: Instance): string | null => (condition.kind === 'scheduled' ? null : condition.task.hostname);
