/**
 * The container that holds the network of a task or pod open: what is asked for it, and what the engine says of it. Pure.
 *
 * It does nothing, has no rights, and is not counted as the task's. Containers of the task join its network, and its ports and addresses are
 * known before the first of them starts, and stay until the last one is gone.
 */
import { createHash } from 'node:crypto';
import { BRIDGE_NETWORK, NO_DOCKER_OPTIONS, type TaskId } from '@ekiden/model';
import type { PortForward } from '../networks/cni-config.js';
import type { NetworkWish } from '../networks/task-networks.js';
import { namesOf } from './container-request.js';
import { fieldIn, numberIn, textIn } from './engine-client.js';
import { TASK_LABEL } from './engine-journal.js';
import { HOLD_COMMAND, HOLD_IMAGE } from './hold-image.js';

export interface HolderPlan {
  readonly wish: NetworkWish;
  readonly instance: string;
  /** The engine's own name of the first network. */
  readonly network: string;
  /** Resolvers of the bridge where the task says none; none: the engine's. */
  readonly nameservers: readonly string[];
}

/** Apart from the label of tasks' containers: a sweep of those leaves it alone. */
export const HOLDER_LABEL = 'io.ekiden.network';
/** The engine's bridge, whatever engine it is. */
export const ENGINE_BRIDGE = 'bridge';
const MAX_PROCESSES = 4;

/** The same for the next agent. */
export const holderName = (instance: string, id: TaskId): string =>
  `ekiden-network-${createHash('sha256').update(`${instance} ${id}`).digest('hex').slice(0, 20)}`;

export function holderRequest({ wish, instance, network, nameservers }: HolderPlan): Readonly<Record<string, unknown>> {
  const names = wish.names ?? NO_DOCKER_OPTIONS;
  const ports = wish.networks.flatMap((each) => each.ports);
  const isBridge = wish.networks[0]?.name === BRIDGE_NETWORK;
  return {
    Image: HOLD_IMAGE,
    Entrypoint: [HOLD_COMMAND],
    Cmd: [],
    // It listens to nothing else: an engine that stops would wait for it.
    StopSignal: 'SIGKILL',
    ...(names.hostname === null ? {} : { Hostname: names.hostname }),
    Labels: { [HOLDER_LABEL]: instance, [TASK_LABEL]: wish.taskId },
    ExposedPorts: Object.fromEntries(ports.map((port) => [engineSide(port), {}])),
    HostConfig: {
      NetworkMode: network,
      PortBindings: bindings(ports),
      RestartPolicy: { Name: 'no' },
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: MAX_PROCESSES,
      LogConfig: { Type: 'none' },
      ...namesOf({ ...names, nameservers: names.nameservers.length === 0 && isBridge ? nameservers : names.nameservers }),
    },
  };
}

const engineSide = ({ containerPort, protocol }: PortForward): string => `${containerPort}/${protocol}`;

/** One port of the container may have several of the machine. */
function bindings(ports: readonly PortForward[]): Readonly<Record<string, readonly { readonly HostPort: string }[]>> {
  const all = new Map<string, { readonly HostPort: string }[]>();
  for (const port of ports) all.set(engineSide(port), [...(all.get(engineSide(port)) ?? []), { HostPort: String(port.hostPort) }]);
  return Object.fromEntries(all);
}

export interface FoundHolder {
  /** 64 hex digits. */
  readonly id: string;
  /** As the engine's machine counts; 0: it does not run. */
  readonly pid: number;
  /** In the order of `names`, each with its IPv4 address first; others at the end. */
  readonly addresses: readonly string[];
}

/** From `GET /containers/NAME/json`. `names`: the engine's own of the networks that were asked for. */
export function readHolder(description: unknown, names: readonly string[]): FoundHolder {
  const networks = fieldIn(fieldIn(description, 'NetworkSettings'), 'Networks');
  const all = typeof networks === 'object' && networks !== null ? Object.entries(networks) : [];
  const place = (name: string): number => (names.includes(name) ? names.indexOf(name) : names.length);
  const addresses = all
    .toSorted(([a], [b]) => place(a) - place(b))
    .flatMap(([, each]: [string, unknown]) => [textIn(each, 'IPAddress'), textIn(each, 'GlobalIPv6Address')])
    .filter((address) => address !== '');
  return { id: textIn(description, 'Id'), pid: numberIn(fieldIn(description, 'State'), 'Pid'), addresses };
}
