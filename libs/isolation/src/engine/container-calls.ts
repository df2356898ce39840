/** The few things that are asked of one container. What is not there is an answer, not a failure. */
import { findContainerUser, type ContainerUser } from '../oci/image-user.js';
import { type EngineClient, EngineRefusal, fieldIn, textIn } from './engine-client.js';
import { INSTANCE_LABEL, TASK_LABEL } from './engine-journal.js';
import { type FoundContainer, readFound } from './judge-container.js';

/** Layers are prepared, and on a busy machine that takes. */
const CREATE_TIMEOUT_MS = 120_000;
const START_TIMEOUT_MS = 120_000;
const REMOVE_TIMEOUT_MS = 120_000;
const MAX_USER_FILE_BYTES = 4 * 1024 * 1024;
const TAR_BLOCK_BYTES = 512;
const NOT_FOUND = 404;
const CONFLICT = 409;

export async function findContainer(client: EngineClient, name: string): Promise<FoundContainer> {
  const description = await unless(NOT_FOUND, client.call('GET', `/containers/${name}/json`));
  return description === undefined ? { kind: 'absent' } : readFound(description);
}

/** One of that name that is there already is ours: of a request whose answer was lost. */
export async function createContainer(client: EngineClient, name: string, body: unknown): Promise<void> {
  try {
    await client.call('POST', `/containers/create?name=${name}`, { body, timeoutMs: CREATE_TIMEOUT_MS });
  } catch (error) {
    // podman has another status for it.
    const isThere = error instanceof EngineRefusal && (error.status === CONFLICT || /name .* is already in use/.test(error.message));
    if (!isThere) throw error;
  }
}

/** Where on the machine the engine keeps what it writes beside its mounts; null: the engine does not say. */
export async function layerOf(client: EngineClient, name: string): Promise<string | null> {
  const description = await client.call('GET', `/containers/${name}/json`);
  return textIn(fieldIn(fieldIn(description, 'GraphDriver'), 'Data'), 'UpperDir') || null;
}

/** Harmless when it runs already. */
export async function startContainer(client: EngineClient, name: string): Promise<void> {
  await client.call('POST', `/containers/${name}/start`, { timeoutMs: START_TIMEOUT_MS });
}

/** With its anonymous volumes, and whatever it does. */
export async function removeContainer(client: EngineClient, name: string): Promise<void> {
  await unless(NOT_FOUND, client.call('DELETE', `/containers/${name}?v=1&force=1`, { timeoutMs: REMOVE_TIMEOUT_MS }));
}

/** Without force: false when it runs, and is left alone. */
export async function withdrawContainer(client: EngineClient, name: string): Promise<boolean> {
  const done = await unless(CONFLICT, client.call('DELETE', `/containers/${name}?v=1&force=0`, { timeoutMs: REMOVE_TIMEOUT_MS }).catch(ignoreAbsent));
  return done !== undefined;
}

/** False when it does not run. */
export async function signalContainer(client: EngineClient, name: string, signal: number): Promise<boolean> {
  const done = await unless(NOT_FOUND, unless(CONFLICT, client.call('POST', `/containers/${name}/kill?signal=${signal}`)));
  return done !== undefined;
}

export interface LabelledContainer {
  readonly id: string;
  readonly taskId: string;
  readonly isRunning: boolean;
}

/** All of this agent, running or not; those of tasks unless another label is given. */
export async function listContainers(client: EngineClient, instance: string, label = INSTANCE_LABEL): Promise<readonly LabelledContainer[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`${label}=${instance}`] }));
  const answer = await client.call('GET', `/containers/json?all=1&filters=${filters}`);
  if (!Array.isArray(answer)) return [];
  return answer.map((each: unknown) => ({
    id: textIn(each, 'Id'),
    taskId: textIn(fieldIn(each, 'Labels'), TASK_LABEL),
    isRunning: ['running', 'paused', 'restarting', 'stopping'].includes(textIn(each, 'State')),
  }));
}

/** Whose number the image's user is, by the files in the container. Throws with the reason when it has no such user. */
export async function userInContainer(client: EngineClient, name: string, wanted: string): Promise<ContainerUser> {
  if (wanted === '') return findContainerUser('', { passwd: '', group: '' });
  const [passwd, group] = await Promise.all(['passwd', 'group'].map((file) => readFileIn(client, name, `/etc/${file}`)));
  return findContainerUser(wanted, { passwd: passwd ?? '', group: group ?? '' });
}

/** Empty when there is none. */
async function readFileIn(client: EngineClient, name: string, path: string): Promise<string> {
  const archive = await unless(NOT_FOUND, client.bytes(`/containers/${name}/archive?path=${encodeURIComponent(path)}`, MAX_USER_FILE_BYTES));
  return archive === undefined ? '' : fileInTar(archive, path);
}

/** The text of the one file of a tar archive. Throws when it is none, such as a link. Pure. */
export function fileInTar(archive: Buffer, name: string): string {
  const type = String.fromCharCode(archive[TYPE_AT] ?? 0);
  const size = Number.parseInt(archive.subarray(SIZE_AT, SIZE_AT + SIZE_BYTES).toString('latin1'), 8);
  if ((type !== '0' && type !== '\0') || !(size >= 0) || archive.length < TAR_BLOCK_BYTES + size)
    throw new Error(`the image's ${name} is no plain file: give the user by number`);
  return archive.subarray(TAR_BLOCK_BYTES, TAR_BLOCK_BYTES + size).toString('utf8');
}

const SIZE_AT = 124;
const SIZE_BYTES = 12;
const TYPE_AT = 156;

/** Undefined instead of a refusal with that status. */
async function unless<T>(status: number, asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === status) return undefined;
    throw error;
  }
}

function ignoreAbsent(error: unknown): null {
  if (error instanceof EngineRefusal && error.status === NOT_FOUND) return null;
  throw error;
}
