/**
 * From a launch to a container that runs: what is asked is written down first, and asked again until the answer is known.
 *
 *   asked ─► create ─► whose sandbox ─► starting ─► start ─► its pid ─► started
 *
 * While the engine is away nothing is said. Before `starting` was written nothing can have begun, so there the launch is given up after a
 * while; afterwards only the engine knows, and is waited for.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '@ekiden/model';
import { containerLayer } from '../oci/plan-container.js';
import type { ContainerSpec, EngineImage } from '../oci/container-spec.js';
import { parseStopSignal } from '../oci/stop-signal.js';
import { reasonOf } from '../reason-of.js';
import type { LaunchResult, LaunchSpec } from '../runtime.js';
import { resolveUser } from '../users.js';
import { createBackOff } from './back-off.js';
import { createContainer, findContainer, layerOf, removeContainer, startContainer, userInContainer } from './container-calls.js';
import { containerRequest } from './container-request.js';
import { EngineAway, type EngineClient } from './engine-client.js';
import { appendLine, containerName } from './engine-journal.js';

export interface LaunchMachine {
  readonly client: EngineClient;
  readonly instance: string;
  readonly hardCpu: boolean;
  readonly maxPids: number;
  readonly log: Log;
  /** This agent is closing: the launch is left to the next one. */
  readonly stop: AbortSignal;
}

export interface AskedContainer {
  readonly name: string;
  readonly stopSignal: number;
  /** As in the journal. */
  readonly holder: string;
}

/** How long an engine that is away holds up a launch of which nothing has begun. */
export const GIVE_UP_MS = 60_000;

/** Throws with the reason when it cannot be launched so; writes down what will be asked. */
export async function prepareAsk(
  spec: LaunchSpec,
  container: ContainerSpec,
  machine: LaunchMachine,
): Promise<{ asked: AskedContainer; body: Readonly<Record<string, unknown>>; isNamedUser: boolean }> {
  const { image } = container;
  if (!('imageId' in image)) throw new Error('this image is unpacked on the machine, and no engine has it');
  if (container.network !== undefined && container.network.holder === undefined)
    throw new Error('a container of an engine joins networks of that engine alone, and this one is the machine’s');
  if (spec.command.kind !== 'argv') throw new Error('a container runs words: its command has to be resolved with its image');
  if (spec.limits.pids !== undefined && spec.limits.pids > machine.maxPids)
    throw new Error(`it asks for ${spec.limits.pids} processes: on this machine a task may have ${machine.maxPids}`);
  const stopSignal = parseStopSignal(container.options?.stopSignal ?? image.config.stopSignal);
  const user = spec.user === null ? null : await resolveUser(spec.user);
  if (spec.user !== null && user === null)
    throw new Error(`there is no user "${spec.user}" on this machine: create it, or leave the user out and the image's is taken`);
  const { instance, hardCpu, maxPids } = machine;
  const body = containerRequest({ spec: { ...spec, command: spec.command }, container, image, instance, hardCpu, maxPids, user });
  const holder = container.network?.holder ?? '';
  const asked = { name: containerName(instance, spec.taskId), stopSignal, holder };
  for (const name of ['stdout', 'stderr']) writeFileSync(join(spec.sandbox, name), '', { flag: 'a' });
  if (user !== null) giveSandbox(spec.sandbox, user);
  appendLine(spec.runDir, { kind: 'asked', container: asked.name, socket: machine.client.socket, sandbox: spec.sandbox, stopSignal, holder });
  return { asked, body, isNamedUser: user !== null };
}

/** Resolves when it is known; rejects never. Null: this agent closes, and the next one will find out. */
export async function askUntilKnown(
  spec: LaunchSpec,
  image: EngineImage,
  { asked, body, isNamedUser }: Awaited<ReturnType<typeof prepareAsk>>,
  machine: LaunchMachine,
): Promise<LaunchResult | null> {
  const { client, log } = machine;
  const wantedUser = spec.container?.options?.user ?? image.config.user;
  const backOff = createBackOff();
  const begun = performance.now();
  let isStarting = false;
  while (!machine.stop.aborted) {
    try {
      if (!isStarting) {
        await createContainer(client, asked.name, await withHostname(body, spec, client));
        if (!isNamedUser) await giveToImageUser(spec, wantedUser, asked.name, client);
        linkLayer(await layerOf(client, asked.name), containerLayer(spec.runDir));
        appendLine(spec.runDir, { kind: 'starting' });
        isStarting = true;
      }
      await startContainer(client, asked.name);
      const found = await findContainer(client, asked.name);
      const pid = found.kind === 'running' ? found.pid : 0;
      appendLine(spec.runDir, { kind: 'started', pid });
      return { kind: 'started', pid };
    } catch (error) {
      const mayHaveBegun = isStarting || performance.now() - begun < GIVE_UP_MS;
      if (!(error instanceof EngineAway) || !mayHaveBegun) return await fail(reasonOf(error));
      log.warn('engine-away', { taskId: spec.taskId, why: reasonOf(error) });
      await backOff.wait();
    }
  }
  return null;

  /** One that was made and not started is of no use to anybody; a sweep finds it if the engine is away now. */
  async function fail(reason: string): Promise<LaunchResult> {
    await removeContainer(client, asked.name).catch((error: unknown) => log.warn('container-not-removed', { taskId: spec.taskId, why: reasonOf(error) }));
    return { kind: 'failed', reason };
  }
}

/** Docker gives whoever joins a network the host name of its holder, and refuses another; podman gives each one of its own. */
async function withHostname(body: Readonly<Record<string, unknown>>, { container }: LaunchSpec, client: EngineClient): Promise<unknown> {
  const { network } = container ?? {};
  return network?.holder !== undefined && (await client.program()) === 'podman' ? { ...body, Hostname: network.hostname } : body;
}

/** What it writes beside its mounts is measured with its sandbox, where the engine keeps it on this machine. */
function linkLayer(layer: string | null, at: string): void {
  if (existsSync(at)) return;
  if (layer !== null && existsSync(layer)) symlinkSync(layer, at);
  else mkdirSync(at, { recursive: true, mode: 0o700 });
}

/** As whom it runs is known to the engine alone, so its files are asked. */
async function giveToImageUser(spec: LaunchSpec, wanted: string, name: string, client: EngineClient): Promise<void> {
  const user = await userInContainer(client, name, wanted);
  const added = [...(spec.security?.capabilities ?? []), ...(spec.container?.options?.capAdd ?? [])];
  if (user.uid !== 0 && added.length > 0)
    throw new Error('a container engine gives capabilities to root alone: leave them out, or run the image on an agent with the oci runtime');
  giveSandbox(spec.sandbox, user);
}

function giveSandbox(sandbox: string, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  const own = process.geteuid?.();
  if (own === 0) chownSync(sandbox, uid, gid);
  // Nobody else gets through the directory above it.
  else if (own !== uid) chmodSync(sandbox, 0o777);
}
