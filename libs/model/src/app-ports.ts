/**
 * The ports of an app and of its tasks, whichever network they are in. Pure arithmetic: nobody else counts ports of definitions and mappings.
 *
 * A task holds ports of the machine in the order of its definitions, or of those mappings that have a host port.
 */
import type { AppSpec, Protocol } from './app-spec.js';

type Ported = Pick<AppSpec, 'portDefinitions' | 'requirePorts' | 'ownNetwork'>;

/** How many ports of the machine a task needs. */
export function hostPortCount({ portDefinitions, ownNetwork }: Ported): number {
  if (ownNetwork === undefined) return portDefinitions.length;
  let count = 0;
  for (const { hostPort } of ownNetwork.portMappings) if (hostPort !== null) count += 1;
  return count;
}

/** The very ports of the machine that it needs, in order; 0: any. */
export function wantedHostPorts({ portDefinitions, requirePorts, ownNetwork }: Ported): readonly number[] {
  if (ownNetwork === undefined) return portDefinitions.map(({ port }) => (requirePorts ? port : 0));
  return ownNetwork.portMappings.flatMap(({ hostPort }) => (hostPort === null ? [] : [hostPort]));
}

/** In the order of definitions or mappings. */
export const servicePorts = ({ portDefinitions, ownNetwork }: Ported): readonly number[] =>
  ownNetwork === undefined ? portDefinitions.map(({ port }) => port) : ownNetwork.portMappings.map(({ servicePort }) => servicePort);

export interface TaskPort {
  /** Of the machine; null: only its own network leads to it. */
  readonly hostPort: number | null;
  /** In its own network; null: it has none. */
  readonly containerPort: number | null;
  /** As the app asks for it; 0: any. */
  readonly asked: number;
  readonly protocol: Protocol;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly networkNames: readonly string[];
}

/** The ports of one task, which holds `hostPorts` of its machine. The same `taskId` always gives the same ones. */
export function taskPorts({ portDefinitions, ownNetwork }: Ported, hostPorts: readonly number[], taskId: string): readonly TaskPort[] {
  if (ownNetwork === undefined)
    return hostPorts.map((hostPort, index) => {
      const { port = 0, protocol = 'tcp', name = null, labels = {} } = portDefinitions[index] ?? {};
      return { hostPort, containerPort: null, asked: port, protocol, name, labels, networkNames: [] };
    });
  let next = 0;
  return ownNetwork.portMappings.map(({ containerPort, hostPort: wanted, servicePort: _service, ...mapping }, index) => {
    const hostPort = wanted === null ? null : (hostPorts[next++] ?? null);
    return { ...mapping, hostPort, asked: containerPort, containerPort: containerPort === 0 ? (hostPort ?? anyPort(taskId, index)) : containerPort };
  });
}

const FIRST_FREE = 1_025;

/** As Marathon draws one for each launch; here it follows from the task, so that it need not be recorded. */
function anyPort(taskId: string, index: number): number {
  let hash = 0x811c_9dc5;
  for (const letter of `${index} ${taskId}`) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x0100_0193) >>> 0;
  return FIRST_FREE + (hash % (65_536 - FIRST_FREE));
}
