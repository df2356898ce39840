/**
 * Turns a seccomp profile in Docker's form (the file of the package golang-github-containers-common) into that of an OCI bundle. Pure.
 *
 * Docker's rules have conditions: on the capabilities that a container has, and on the machine's architecture. An OCI runtime knows
 * none, so they are decided here.
 */
interface Rule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly unknown[] | null;
  readonly includes?: Conditions;
  readonly excludes?: Conditions;
}

interface Conditions {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
}

export interface DockerProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] }[];
  readonly syscalls: readonly Rule[];
}

/** By the names of Node's `process.arch`. */
const ARCHITECTURES: Readonly<Record<string, { readonly docker: string; readonly oci: string }>> = {
  x64: { docker: 'amd64', oci: 'SCMP_ARCH_X86_64' },
  arm64: { docker: 'arm64', oci: 'SCMP_ARCH_AARCH64' },
};

/** Throws with the reason when the file is no such profile. */
export function readDockerProfile(json: string): DockerProfile {
  const profile: unknown = JSON.parse(json);
  if (!isProfile(profile)) throw new Error('the seccomp profile has no list of system calls');
  return profile;
}

function isProfile(value: unknown): value is DockerProfile {
  if (typeof value !== 'object' || value === null || !('syscalls' in value) || !('defaultAction' in value)) return false;
  return typeof value.defaultAction === 'string' && Array.isArray(value.syscalls) && value.syscalls.every(isRule);
}

function isRule(value: unknown): value is Rule {
  return typeof value === 'object' && value !== null && 'names' in value && Array.isArray(value.names) && 'action' in value && typeof value.action === 'string';
}

/** What is written to `linux.seccomp`. `capabilities` with their `CAP_`. */
export function ociSeccomp(profile: DockerProfile, capabilities: readonly string[], arch: string): Readonly<Record<string, unknown>> {
  const known = ARCHITECTURES[arch];
  if (known === undefined) throw new Error(`there is no seccomp profile for the architecture ${arch}: an operator can allow containers without one`);
  const applies = ({ includes, excludes }: Rule): boolean => {
    if (includes?.arches !== undefined && !includes.arches.includes(known.docker)) return false;
    if (includes?.caps !== undefined && !includes.caps.every((cap) => capabilities.includes(cap))) return false;
    if (excludes?.arches?.includes(known.docker) === true) return false;
    return excludes?.caps?.some((cap) => capabilities.includes(cap)) !== true;
  };
  const sub = profile.archMap?.find(({ architecture }) => architecture === known.oci)?.subArchitectures ?? [];
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: [known.oci, ...sub],
    syscalls: profile.syscalls.filter(applies).map(({ names, action, errnoRet, args }) => ({
      names,
      action,
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args == null || args.length === 0 ? {} : { args }),
    })),
  };
}
