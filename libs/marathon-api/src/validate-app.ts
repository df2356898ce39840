/**
 * The rules of Marathon's section 9 for one app, at Marathon's paths.
 *
 * Input is canonical. All rules are checked, so that one answer names everything that is wrong. Rules about pods, and about what is not
 * built of containers (`unsupported.ts` refuses that), are absent. Rules across apps (dependency cycles, locks) are the caller's.
 */
import { EkidenError, role as parseRole, type Violation } from '@ekiden/model';
import type { CanonicalApp } from './canonical-app.js';
import { checkContainer } from './container.js';
import { checkNetworks } from './networks.js';
import { checkConstraints } from './validate-constraints.js';
import { checkHealthChecks, checkReadinessChecks } from './validate-checks.js';
import { MAX_ARGUMENT_BYTES, MAX_LIST_ENTRIES } from './limits.js';

export interface ValidationOptions {
  readonly defaultRole: string;
  /** The role that the app has now: it may keep it. */
  readonly currentRole: string | null;
}

export function validateApp(app: CanonicalApp, options: ValidationOptions): Violation[] {
  return [
    ...checkCommand(app),
    ...checkEnvironment(app),
    ...checkLimits(app),
    ...checkContainer(app.container),
    ...checkNetworks(app),
    ...checkPorts(app),
    ...checkConstraints(app.constraints ?? []),
    ...checkHealthChecks(app),
    ...checkReadinessChecks(app),
    ...checkFetch(app),
    ...checkDependencies(app),
    ...checkRoles(app, options),
    ...checkStrategies(app),
    ...checkMigrationLabels(app),
  ];
}

const violation = (path: string, error: string): Violation => ({ path, errors: [error] });

function checkCommand(app: CanonicalApp): Violation[] {
  const found: Violation[] = [];
  const hasCmd = app.cmd !== undefined;
  const hasArgs = app.args !== undefined;
  const hasImage = app.container !== undefined;
  if (hasCmd === hasArgs && !(hasImage && !hasCmd)) {
    const why = hasCmd ? 'both cmd and args are set; with partialUpdate=false one of them can be taken away' : 'neither cmd nor args is set';
    found.push(violation('/', `an app needs one of cmd or args${hasImage ? '' : ' and/or a container with an image'}, and not both cmd and args: ${why}`));
  }
  if (app.cmd !== undefined && app.cmd.trim().length < 2) found.push(violation('/', 'cmd must not be an empty string, nor a single character'));
  if (app.cmd !== undefined) found.push(...checkText('/cmd', app.cmd));
  for (const [index, argument] of (app.args ?? []).entries()) found.push(...checkText(`/args(${index})`, argument));
  if (!hasImage && app.args?.[0] === '') found.push(violation('/args(0)', 'the program to run must not be empty'));
  if (app.user !== undefined) found.push(...checkText('/user', app.user));
  return found;
}

/** A limit is the most that a task may take: it cannot be less than what it is given. */
function checkLimits({ cpus, mem, resourceLimits: limits = {} }: CanonicalApp): Violation[] {
  const found: Violation[] = [];
  const check = (name: string, limit: number | 'unlimited' | undefined, request: number): void => {
    if (typeof limit === 'number' && limit < request)
      found.push(violation(`/resourceLimits/${name}`, `has to be at least ${name} (${request}), or "unlimited": it is ${limit}`));
  };
  check('cpus', limits.cpus, cpus);
  check('mem', limits.mem, mem);
  return found;
}

/** What the kernel cannot take: a zero byte, or more than 128 KiB in one argument. */
function checkText(path: string, text: string): Violation[] {
  if (text.includes('\0')) return [violation(path, 'must not contain a zero byte: no program can be given one')];
  const bytes = byteLength(text) + 1;
  if (bytes <= MAX_ARGUMENT_BYTES) return [];
  const way = 'put it in a file and fetch that';
  return [violation(path, `has ${bytes - 1} bytes; the kernel takes at most ${MAX_ARGUMENT_BYTES - 1} in one argument or environment value: ${way}`)];
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length;

function checkEnvironment(app: CanonicalApp): Violation[] {
  const entries = Object.entries(app.env ?? {});
  const found: Violation[] = [];
  if (entries.length > MAX_LIST_ENTRIES) found.push(violation('/env', `has ${entries.length} entries, at most ${MAX_LIST_ENTRIES} are allowed`));
  if (Object.keys(app.labels).length > MAX_LIST_ENTRIES) found.push(violation('/labels', `at most ${MAX_LIST_ENTRIES} labels are allowed`));
  for (const [key, value] of entries.slice(0, MAX_LIST_ENTRIES)) {
    if (key === '') found.push(violation('/env', 'must not contain an empty key'));
    else if (key.includes('=')) found.push(violation(`/env/${key}`, 'the name of a variable must not contain "="'));
    else found.push(...checkText(`/env/${key}`, `${key}=${value}`));
  }
  return found;
}

function checkPorts({ portDefinitions = [] }: CanonicalApp): Violation[] {
  const found: Violation[] = [];
  const names = portDefinitions.flatMap((port) => (port.name === undefined ? [] : [port.name]));
  const ports = portDefinitions.map((port) => port.port).filter((port) => port !== 0);
  const twiceNamed = firstRepeated(names);
  const twiceUsed = firstRepeated(ports);
  if (twiceNamed !== null) found.push(violation('/portDefinitions', `port names must be unique: "${twiceNamed}" is used twice`));
  if (twiceUsed !== null) found.push(violation('/portDefinitions', `ports must be unique: ${twiceUsed} is used twice`));
  return found;
}

function firstRepeated<T>(values: readonly T[]): T | null {
  const seen = new Set<T>();
  for (const value of values) {
    if (seen.has(value)) return value;
    seen.add(value);
  }
  return null;
}

/** The characters that a URI may consist of, and percent signs only before two hex digits. */
const URI = /^(?:[A-Za-z0-9\-._~:/?#@!$&'()*+,;=[\]]|[^\u0000-\u007f]|%[0-9A-Fa-f]{2})+$/;

const SHA256 = /^[0-9a-f]{64}$/;

function checkFetch(app: CanonicalApp): Violation[] {
  return (app.fetch ?? []).flatMap((artifact, index) => {
    const found: Violation[] = [];
    if (!URI.test(artifact.uri)) found.push(violation(`/fetch(${index})/uri`, 'URI has invalid syntax.'));
    const dest = artifact.destPath;
    if (dest !== undefined && (dest === '' || dest.startsWith('/') || dest.includes('\0') || dest.split('/').includes('..'))) {
      found.push(violation(`/fetch(${index})/destPath`, 'has to be a path inside of the sandbox: relative, without ".."'));
    }
    if (artifact.sha256 !== undefined && !SHA256.test(artifact.sha256)) {
      found.push(violation(`/fetch(${index})/sha256`, 'has to be a SHA-256 digest: 64 hex digits, as sha256sum prints them'));
    }
    return found;
  });
}

function checkDependencies(app: CanonicalApp): Violation[] {
  return (app.dependencies ?? []).includes(app.id) ? [violation('/', `the dependency graph is cyclic: ${app.id} depends on itself`)] : [];
}

function checkRoles(app: CanonicalApp, options: ValidationOptions): Violation[] {
  const segments = app.id.split('/').length - 1;
  const team = segments > 1 ? [teamName(app.id)] : [];
  const allowed = [...new Set([options.defaultRole, ...team, ...(options.currentRole === null ? [] : [options.currentRole])])];
  const found: Violation[] = [];
  if (!allowed.includes(app.role)) found.push(violation('/role', `got ${app.role}, expected one of: [${allowed.join(', ')}]`));
  else if (!isRoleName(app.role)) found.push(violation('/role', `"${app.role}" is not a valid role name`));
  const accepted = app.acceptedResourceRoles;
  if (accepted === undefined) return found;
  if (accepted.length === 0) found.push(violation('/acceptedResourceRoles', 'must not be empty'));
  const strange = accepted.filter((name) => name !== '*' && name !== app.role);
  if (strange.length > 0) {
    const text = `can only contain * and the app's role ${app.role}; it has ${strange.join(', ')}`;
    found.push(violation('/acceptedResourceRoles', text));
  }
  return found;
}

const teamName = (id: string): string => id.split('/')[1] ?? '';

function isRoleName(name: string): boolean {
  try {
    return parseRole(name) === name;
  } catch (error) {
    if (error instanceof EkidenError) return false;
    throw error;
  }
}

function checkStrategies(app: CanonicalApp): Violation[] {
  const found: Violation[] = [];
  const unreachable = app.unreachableStrategy;
  if (unreachable !== 'disabled' && unreachable.inactiveAfterSeconds > unreachable.expungeAfterSeconds) {
    const text = `got ${unreachable.inactiveAfterSeconds}, expected ${unreachable.expungeAfterSeconds} or less: an instance is replaced before it is forgotten`;
    found.push(violation('/unreachableStrategy/inactiveAfterSeconds', text));
  }
  if (app.labels['MARATHON_SINGLE_INSTANCE_APP'] !== 'true') return found;
  if (app.instances > 1) found.push(violation('/', 'an app with the label MARATHON_SINGLE_INSTANCE_APP may have one instance'));
  const { minimumHealthCapacity: min, maximumOverCapacity: over } = app.upgradeStrategy;
  if (min !== 0) found.push(violation('/upgradeStrategy/minimumHealthCapacity', `got ${min}, expected 0: the label MARATHON_SINGLE_INSTANCE_APP asks for it`));
  if (over !== 0) found.push(violation('/upgradeStrategy/maximumOverCapacity', `got ${over}, expected 0: the label MARATHON_SINGLE_INSTANCE_APP asks for it`));
  return found;
}

function checkMigrationLabels(app: CanonicalApp): Violation[] {
  const version = app.labels['DCOS_MIGRATION_API_VERSION'];
  if (version === undefined) return [];
  const complete = app.labels['DCOS_MIGRATION_API_PATH'] !== undefined && app.labels['DCOS_PACKAGE_FRAMEWORK_NAME'] !== undefined;
  if (version === 'v1' && complete) return [];
  return [violation('/', 'DCOS_MIGRATION_API_VERSION has to be v1, beside DCOS_MIGRATION_API_PATH and DCOS_PACKAGE_FRAMEWORK_NAME')];
}
