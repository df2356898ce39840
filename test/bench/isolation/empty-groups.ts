/** Engines leave the control groups in which they put their containers. Those of our names are removed, as far as nobody is inside. */
import { readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** Below every hierarchy; where there is only one, below that. */
export function removeEmptyGroups(names: readonly string[]): void {
  const hierarchies = [ROOT, ...directoriesIn(ROOT)];
  for (const hierarchy of hierarchies) for (const name of names) removeTree(join(hierarchy, name));
}

function removeTree(group: string): void {
  for (const child of directoriesIn(group)) removeTree(child);
  try {
    rmdirSync(group);
  } catch {
    // Not there, or somebody else's containers are in it.
  }
}

function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [join(path, entry.name)] : []));
  } catch {
    return []; // not there
  }
}
