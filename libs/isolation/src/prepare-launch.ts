/** What is done before a launch has its groups: who it becomes, and what its container needs. Answers how its launch file is made. */
import { enterContainer } from './oci/enter-container.js';
import { type ContainerMachine, prepareContainer } from './oci/container-launcher.js';
import type { LaunchTools } from './launch-tools.js';
import { type LaunchSurroundings, planLaunch } from './plan-launch.js';
import { enterTask } from './enter-task.js';
import { prepareSecurity } from './prepare-security.js';
import type { Abilities, EnteredTask, LaunchSpec } from './runtime.js';
import { type SecurityDefaults, type TaskSecurity, securityOf } from './task-security.js';
import { type ResolvedUser, userToBecome } from './users.js';

export interface PreparedLaunch {
  /** To whom sandbox and logs are given; null: they stay ours. */
  readonly owner: ResolvedUser | null;
  launchText(around: LaunchSurroundings): string;
}

/** What this machine and its operator give. */
export interface LaunchMachine {
  readonly tools: LaunchTools;
  readonly containers: ContainerMachine | null;
  readonly isRoot: boolean;
  readonly defaults: SecurityDefaults;
  readonly abilities: Abilities;
}

/** Throws with the reason when it cannot be launched. */
export async function prepareLaunch(spec: LaunchSpec, machine: LaunchMachine): Promise<PreparedLaunch> {
  const { containers } = machine;
  if (spec.container != null) {
    if (containers === null) throw new Error('this runtime runs no images: the agent says at its start what is missing');
    return await prepareContainer(spec, spec.container, containers);
  }
  const { owner, security } = await rightsOf(spec, machine);
  return {
    owner,
    launchText: (around) => {
      prepareSecurity(security, spec);
      return planLaunch(spec, around, security);
    },
  };
}

type Asking = Pick<LaunchSpec, 'user' | 'security' | 'namespaces' | 'privateTmp'>;

/** As whom and with what a host command runs here. */
async function rightsOf(
  spec: Asking,
  { tools, isRoot, defaults, abilities }: LaunchMachine,
): Promise<{ readonly owner: ResolvedUser | null; readonly security: TaskSecurity }> {
  const owner = await userToBecome(spec.user, tools.setpriv);
  return { owner, security: securityOf(spec, owner !== null ? 'other-user' : isRoot ? 'root' : 'agent-user', defaults, abilities) };
}

export interface RunningTask {
  readonly runDir: string;
  /** Its first process. */
  readonly mainPid: number;
}

/** How another process gets into a task that runs. Rejects when it has ended. */
export async function prepareEntry(
  spec: Asking & Pick<LaunchSpec, 'env' | 'sandbox'>,
  running: RunningTask | null,
  machine: LaunchMachine,
): Promise<EnteredTask> {
  if (running === null) throw new Error('the task does not run');
  const { runDir, mainPid } = running;
  const container = machine.containers === null ? null : enterContainer(runDir, machine.containers.tools, machine.tools.shell);
  if (container !== null) return container;
  const { owner, security } = await rightsOf(spec, machine);
  return enterTask({ tools: machine.tools, security, user: owner, env: spec.env, sandbox: spec.sandbox, mainPid });
}

/** In a container, the container runtime gives what a host command may not get. */
export function abilitiesInContainer(abilities: Abilities, containers: ContainerMachine | null): Abilities {
  if (containers === null) return abilities;
  const seccomp = containers.seccomp === null ? 'seccomp needs a profile: install the package golang-github-containers-common' : null;
  return { ...abilities, capabilities: null, 'no-new-privs': null, seccomp, namespaces: null, 'private-tmp': null };
}
