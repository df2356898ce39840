/**
 * Reads what a framework put into `TaskInfo.data` (decision 1), field by field, since it comes from outside.
 *
 * `data` belongs to the framework: bytes that are no `EkidenTaskData` are a stranger's, and mean "no extension", never an
 * error. Bytes which say that they are ours and are then wrong are refused with the field's name.
 */
import type { AtTask, EkidenTaskData, TaskHealthCheck } from '@ekiden/mesos';
import { NAMESPACES, type HealthCheckProtocol } from '@ekiden/model';

export type ReadTaskData =
  { readonly kind: 'none' } | { readonly kind: 'ours'; readonly data: EkidenTaskData } | { readonly kind: 'wrong'; readonly why: string };

type Fields = Readonly<Record<string, unknown>>;

const PROTOCOLS: readonly HealthCheckProtocol[] = ['HTTP', 'HTTPS', 'TCP', 'COMMAND', 'MESOS_HTTP', 'MESOS_HTTPS', 'MESOS_TCP'];

/** A field of our own data that has a wrong form; becomes a refusal. */
class WrongField extends Error {}

export function readTaskData(base64: string | undefined): ReadTaskData {
  const parsed = parseBase64Json(base64);
  if (!isFields(parsed) || parsed['ekiden'] !== 1) return { kind: 'none' };
  try {
    const readiness = parsed['readinessCheck'];
    return {
      kind: 'ours',
      data: {
        ekiden: 1,
        healthChecks: list(parsed, 'healthChecks').map(readHealthCheck),
        readinessCheck: isFields(readiness) ? readReadinessCheck(readiness) : null,
        ...readIsolation(parsed['isolation']),
        ...readImage(parsed['image']),
        digests: parsed['digests'] === undefined ? [] : list(parsed, 'digests').map(readDigest),
      },
    };
  } catch (error) {
    if (error instanceof WrongField) return { kind: 'wrong', why: error.message };
    throw error;
  }
}

function parseBase64Json(base64: string | undefined): unknown {
  if (base64 === undefined || base64 === '') return null;
  try {
    return JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  } catch {
    return null; // not JSON: a stranger's bytes
  }
}

function readHealthCheck(raw: unknown): TaskHealthCheck {
  const fields = needFields(raw, 'healthChecks');
  const protocol = PROTOCOLS.find((known) => known === fields['protocol']);
  if (!protocol) throw new WrongField(`healthChecks: protocol ${JSON.stringify(fields['protocol'])} is unknown`);
  const port = nullable(fields, 'port', number);
  const command = nullable(fields, 'command', text);
  if (protocol === 'COMMAND' ? command === null : port === null) {
    throw new WrongField(`healthChecks: a ${protocol} check needs ${protocol === 'COMMAND' ? 'a command' : 'its port resolved'}`);
  }
  return {
    protocol,
    port,
    command,
    path: text(fields, 'path'),
    portIndex: null,
    gracePeriodMs: number(fields, 'gracePeriodMs'),
    intervalMs: number(fields, 'intervalMs'),
    timeoutMs: number(fields, 'timeoutMs'),
    delayMs: number(fields, 'delayMs'),
    maxConsecutiveFailures: number(fields, 'maxConsecutiveFailures'),
    ...atTask(fields),
  };
}

const atTask = (fields: Fields): AtTask => (fields['atTask'] === true ? { atTask: true } : {});

function readReadinessCheck(fields: Fields): NonNullable<EkidenTaskData['readinessCheck']> {
  return {
    name: text(fields, 'name'),
    protocol: fields['protocol'] === 'HTTPS' ? 'HTTPS' : 'HTTP',
    path: text(fields, 'path'),
    port: number(fields, 'port'),
    intervalMs: number(fields, 'intervalMs'),
    timeoutMs: number(fields, 'timeoutMs'),
    statusCodes: list(fields, 'statusCodes').filter((code) => typeof code === 'number'),
    preserveLastResponse: fields['preserveLastResponse'] === true,
    ...atTask(fields),
  };
}

function readIsolation(raw: unknown): Pick<EkidenTaskData, 'isolation'> {
  if (raw === undefined) return {};
  const fields = needFields(raw, 'isolation');
  const all = <T>(name: string, known: (text: string) => T | null): readonly T[] =>
    list(fields, name).map((one) => {
      const found = typeof one === 'string' ? known(one) : null;
      if (found === null) throw new WrongField(`isolation: ${JSON.stringify(one)} is unknown among ${name}`);
      return found;
    });
  return {
    isolation: {
      ...(fields['capabilities'] === undefined ? {} : { capabilities: all('capabilities', (name) => (CAPABILITY.test(name) ? name : null)) }),
      ...(fields['namespaces'] === undefined ? {} : { namespaces: all('namespaces', (text) => NAMESPACES.find((name) => name === text) ?? null) }),
      ...(fields['privateTmp'] === true ? { privateTmp: true } : {}),
      ...(fields['seccomp'] === true ? { seccomp: true } : {}),
      ...(fields['pids'] === undefined ? {} : { pids: count(fields, 'pids') }),
      ...(fields['openFiles'] === undefined ? {} : { openFiles: count(fields, 'openFiles') }),
    },
  };
}

/** A word of a later version changes nothing: the image is named beside it. */
const readImage = (raw: unknown): Pick<EkidenTaskData, 'image'> => (raw === 'ask' || raw === 'pinned' ? { image: raw } : {});

function count(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) throw new WrongField(`isolation: ${name} has to be a whole number above 0`);
  return value;
}

/** Which of them there are is the runtime's to know. */
const CAPABILITY = /^[A-Z_]{1,64}$/;

const DIGEST = /^[0-9a-f]{64}$/;

function readDigest(raw: unknown): string | null {
  if (raw === null) return null;
  if (typeof raw !== 'string' || !DIGEST.test(raw)) throw new WrongField(`digests: ${JSON.stringify(raw)} is no SHA-256 digest of 64 hex digits`);
  return raw;
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

function needFields(value: unknown, name: string): Fields {
  if (!isFields(value)) throw new WrongField(`${name}: an object is expected`);
  return value;
}

function list(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw new WrongField(`${name}: a list is expected`);
  return value;
}

function number(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new WrongField(`${name}: a number is expected`);
  return value;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new WrongField(`${name}: a text is expected`);
  return value;
}

function nullable<T>(fields: Fields, name: string, read: (fields: Fields, name: string) => T): T | null {
  return fields[name] === null || fields[name] === undefined ? null : read(fields, name);
}
