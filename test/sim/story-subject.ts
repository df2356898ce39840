/** What a breach is about: the instance or app that it names; or else the apps that are not as they should be. */
import { parseTaskId, type AppId, type InstanceId } from '@ekiden/model';
import type { World } from './world/world.js';

export interface Subject {
  readonly appId: AppId;
  readonly instanceId: InstanceId | null;
}

export function readSubjects(world: World, breaches: readonly string[]): Subject[] {
  const text = breaches.join('\n');
  const instances = [...text.matchAll(/[a-z0-9._-]+\.instance-[0-9a-f-]+/g)].flatMap(([id]) => {
    const parsed = parseTaskId(`${id}._app.1`);
    return parsed === null ? [] : [{ appId: parsed.appId, instanceId: parsed.instanceId }];
  });
  const known = [...world.paasDatabase.apps.keys()];
  const apps = known.filter((id) => text.includes(id)).map((appId) => ({ appId, instanceId: null }));
  const named = unique([...instances, ...apps]);
  return named.length > 0 ? named : known.filter((id) => isOpen(world, id)).map((appId) => ({ appId, instanceId: null }));
}

/** Somebody still has something to do about it. */
function isOpen(world: World, id: AppId): boolean {
  if (!world.hasApi) return true;
  return world.api.view.deploymentsOf(id).length > 0 || world.api.view.plan(id)?.done !== true;
}

function unique(subjects: readonly Subject[]): Subject[] {
  const seen = new Map<string, Subject>();
  for (const subject of subjects) if (!seen.has(subject.instanceId ?? subject.appId)) seen.set(subject.instanceId ?? subject.appId, subject);
  return [...seen.values()];
}
