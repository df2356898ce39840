/**
 * Finds a container engine by really asking: at the socket that the operator names, else where engines usually have theirs.
 *
 * Whatever is not there, or cannot be used, is a named reason. Nothing here throws for a machine that has none.
 */
import { existsSync } from 'node:fs';
import { BRIDGE_NETWORK } from '@ekiden/model';
import type { Abilities } from '../runtime.js';
import { reasonOf } from '../reason-of.js';
import { engineClient, fieldIn, textIn } from './engine-client.js';
import { canHold } from './hold-image.js';
import { ENGINE_BRIDGE } from './holder.js';
import { refuseResizes } from './resize-container.js';

export type ProbedEngine = ReadyEngine | { readonly kind: 'missing'; readonly reasons: readonly string[] };

export interface ReadyEngine {
  readonly kind: 'ready';
  readonly socket: string;
  /** `Docker 27.1.1`. */
  readonly title: string;
  /** Of its machine, as the engine calls it. */
  readonly architecture: string;
  /** Where it keeps images, on its machine. */
  readonly storage: string;
  readonly abilities: Abilities;
  readonly networks: FoundNetworkNames;
}

/** Networks that its containers can have of their own, by the names that tasks give. */
export type FoundNetworkNames = { readonly kind: 'ready'; readonly names: readonly string[] } | { readonly kind: 'none'; readonly why: string };

export const DOCKER_SOCKET = '/var/run/docker.sock';
const USUAL_SOCKETS = [DOCKER_SOCKET, '/run/podman/podman.sock'];

/** What DOCKER_HOST or the operator may say. Null: it names no unix socket. Pure. */
export function socketOf(host: string): string | null {
  const path = host.startsWith('unix://') ? host.slice('unix://'.length) : host;
  return path.startsWith('/') ? path : null;
}

/** Where to look, in this order. `named`: by the operator, then nowhere else. Pure. */
export function socketsToTry(named: string | null, uid: number | null): readonly string[] {
  if (named !== null && named !== '') return [named];
  const own = uid === null ? [] : [`/run/user/${uid}/docker.sock`, `/run/user/${uid}/podman/podman.sock`];
  return [...USUAL_SOCKETS, ...own];
}

/** Takes some milliseconds. Never rejects. */
export async function probeEngine(candidates: readonly string[]): Promise<ProbedEngine> {
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const socket = socketOf(candidate);
    if (socket === null) {
      reasons.push(`the container engine "${candidate}" is not on a unix socket of this machine: name one, such as unix:///var/run/docker.sock`);
      continue;
    }
    // The usual places are not worth a reason each.
    if (!existsSync(socket) && candidates.length > 1) continue;
    try {
      return await ask(socket);
    } catch (error) {
      reasons.push(reasonOf(error));
    }
  }
  if (reasons.length > 0) return { kind: 'missing', reasons };
  return {
    kind: 'missing',
    reasons: [`there is no container engine at ${candidates.join(', ')}: start Docker or podman, or name its socket: --docker-socket`],
  };
}

async function ask(socket: string): Promise<ProbedEngine> {
  const client = engineClient(socket);
  const version = await client.call('GET', '/version');
  const info = await client.call('GET', '/info');
  const system = textIn(info, 'OSType') || 'linux';
  if (system !== 'linux') return { kind: 'missing', reasons: [`the container engine at ${socket} runs containers of ${system}, and we run those of Linux`] };
  const components = fieldIn(version, 'Components');
  const name = Array.isArray(components) ? textIn(components[0], 'Name') : '';
  const architecture = textIn(info, 'Architecture');
  return {
    kind: 'ready',
    socket,
    title: `${name.split(' ')[0] || 'engine'} ${textIn(version, 'Version')}`,
    architecture,
    storage: textIn(info, 'DockerRootDir'),
    abilities: { ...abilitiesOfEngine(info), resize: await refuseResizes(client) },
    networks: networksOfEngine(await client.call('GET', '/networks'), architecture),
  };
}

/** Pure: from `GET /networks`. */
export function networksOfEngine(answer: unknown, architecture: string): FoundNetworkNames {
  if (!canHold(architecture)) return { kind: 'none', why: `networks of a container engine are held open by a program, and there is none for ${architecture}` };
  const all = Array.isArray(answer) ? answer.map((each: unknown) => textIn(each, 'Name')).filter((name) => !['', 'host', 'none'].includes(name)) : [];
  const names = all.map((name) => (name === ENGINE_BRIDGE ? BRIDGE_NETWORK : name));
  return names.length > 0 ? { kind: 'ready', names: [...new Set(names)] } : { kind: 'none', why: NO_NETWORKS };
}

const NO_NETWORKS = 'the container engine has no network but that of the machine: it is to be started with a bridge, or given one (`docker network create`)';

/** Pure: from `GET /info`. What an engine does not mention it is taken to have: it refuses by itself what it has not. */
export function abilitiesOfEngine(info: unknown): Abilities {
  const unless = (flag: string, what: string): string | null =>
    fieldIn(info, flag) === false ? `${what}: the container engine says that its kernel has none` : null;
  const options = fieldIn(info, 'SecurityOptions');
  const hasSeccomp = !Array.isArray(options) || options.some((option) => typeof option === 'string' && option.includes('seccomp'));
  return {
    'cpu-limit': unless('CpuCfsQuota', 'a limit of cpus'),
    'memory-limit': unless('MemoryLimit', 'a limit of memory'),
    'pids-limit': unless('PidsLimit', 'a limit of processes'),
    'open-files-limit': null,
    resize: null,
    user: null,
    capabilities: null,
    'no-new-privs': null,
    seccomp: hasSeccomp ? null : 'a filter of system calls (seccomp): the container engine has none',
    // Its own by nature.
    namespaces: null,
    'pid-namespace': null,
    'private-tmp': null,
  };
}
