/** What is done before a launch has its groups: who it becomes, and what its container needs. Answers how its launch file is made. */
import { join } from 'node:path';
import { enterContainer } from './oci/enter-container.js';
import { type ContainerMachine, prepareContainer } from './oci/container-launcher.js';
import type { LaunchTools } from './launch-tools.js';
import { type LaunchSurroundings, planLaunch } from './plan-launch.js';
import { enterWords } from './enter-task.js';
import { readRights } from './kept-rights.js';
import { type EntryPlan, refuseArgv } from './plan-entry.js';
import { prepareSecurity } from './prepare-security.js';
import { SECCOMP_FILE } from './run-journal.js';
import type { Abilities, ExecSpec, LaunchSpec } from './runtime.js';
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

/** As a process has it that container runtimes start. */
const RUNTIME_ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

/** How another process gets into a task that runs. Rejects with the reason. */
export async function prepareEntry(spec: ExecSpec, running: RunningTask | null, machine: LaunchMachine): Promise<Omit<EntryPlan, 'joinFiles'>> {
  const reason = refuseArgv(spec);
  if (reason !== null) throw new Error(reason);
  if (running === null) throw new Error('the task does not run');
  const { runDir, mainPid } = running;
  const { tools } = machine;
  const terminal = typeof spec.io === 'string' ? null : spec.io;
  if (tools.cat === null) throw new Error('entering a task needs the program `cat`: install the package coreutils');
  if (terminal !== null && (tools.script === null || tools.stty === null))
    throw new Error('a terminal needs the programs `script` and `stty`: install the packages bsdutils (or util-linux) and coreutils');
  const common = { tools, argv: spec.argv, nofile: spec.nofile ?? null, terminal };
  const container = machine.containers === null ? null : enterContainer(runDir, machine.containers.tools, tools.shell, terminal);
  if (container !== null) return { ...common, cwd: '/', env: RUNTIME_ENV, words: container, seccompFile: null, terminalOwner: null };
  const { owner, security: today } = await rightsOf(spec, machine);
  const security = readRights(runDir) ?? today;
  return {
    ...common,
    cwd: spec.sandbox,
    env: terminal === null ? spec.env : { ...spec.env, TERM: terminal.type },
    words: enterWords({ tools, security, user: owner, sandbox: spec.sandbox, mainPid, hasTerminal: terminal !== null }),
    seccompFile: security.hasSeccomp ? join(runDir, SECCOMP_FILE) : null,
    terminalOwner: owner,
  };
}

/** In a container, the container runtime gives what a host command may not get. */
export function abilitiesInContainer(abilities: Abilities, containers: ContainerMachine | null): Abilities {
  if (containers === null) return abilities;
  const seccomp = containers.seccomp === null ? 'seccomp needs a profile: install the package golang-github-containers-common' : null;
  return { ...abilities, capabilities: null, 'no-new-privs': null, seccomp, namespaces: null, 'private-tmp': null };
}
