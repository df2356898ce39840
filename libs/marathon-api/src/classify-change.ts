/** What an edit means: new tasks, a policy or a size in place, or a number of instances (decision 14). */
import type { AppDefinition } from './definition.js';

export interface ChangeClass {
  /** Fields that the process sees: its tasks are replaced. */
  readonly restart: readonly string[];
  /** Fields that only we look at: they apply to running tasks at once. */
  readonly policy: readonly string[];
  /** Cpus and memory, of an app that has them changed where its tasks run: nothing is replaced. Never beside `restart`. */
  readonly resize: readonly string[];
  readonly scale: boolean;
}

const POLICY: ReadonlySet<string> = new Set([
  'backoffSeconds',
  'backoffFactor',
  'maxLaunchDelaySeconds',
  'upgradeStrategy',
  'killSelection',
  'unreachableStrategy',
  'taskKillGracePeriodSeconds',
  'dependencies',
  'drainSeconds',
  'progressDeadlineSeconds',
  'rollbackWhenStuck',
  'readinessChecks',
  'resizeInPlace',
]);

const SIZE: ReadonlySet<string> = new Set(['cpus', 'mem']);

/** Compares two canonical definitions, field by field; the order of keys means nothing. */
export function classifyChange(from: AppDefinition, to: AppDefinition): ChangeClass {
  const fields = [...new Set([...Object.keys(from), ...Object.keys(to)])].filter((field) => !isSame(from[field], to[field])).sort();
  const seen = fields.filter((field) => field !== 'instances' && !POLICY.has(field));
  const isInPlace = isResizedInPlace(from, to) && seen.every((field) => SIZE.has(field));
  return {
    restart: isInPlace ? [] : seen,
    policy: fields.filter((field) => POLICY.has(field)),
    resize: isInPlace ? seen : [],
    scale: fields.includes('instances'),
  };
}

/** A definition that says nothing follows the one before it: so a roll-back to one of before the field is in place too. */
const isResizedInPlace = (from: AppDefinition, to: AppDefinition): boolean => (to['resizeInPlace'] ?? from['resizeInPlace']) === true;

function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  }
  const left = new Map<string, unknown>(Object.entries(a));
  const right = new Map<string, unknown>(Object.entries(b));
  return left.size === right.size && [...left].every(([key, value]) => right.has(key) && isSame(value, right.get(key)));
}
