/** The public face of libs/isolation: starting, watching, limiting and finding again the processes of tasks. */
export * from './runtime.js';
export type { CgroupDriver, CgroupWrite, TaskLimits } from './cgroup-driver.js';
export { CAPABILITIES, capabilityNamed, type CapabilitySet } from './capabilities.js';
export { SAFE_DEFAULTS, type SecurityDefaults } from './task-security.js';
export { probeRuntimes, type ProbedRuntimes } from './probe-runtimes.js';
export { createRuntime, type SupervisedRuntime, type RuntimeOptions } from './create-runtime.js';
export type { TaskStatistics } from './task-statistics.js';
export { rotateLogs, trimLogs, type RotationPolicy } from './log-rotation.js';
export { readLog, MAX_LOG_READ_BYTES, type LogChunk } from './log-reading.js';
export { LOG_NAMES, type LogName } from './log-ledger.js';
export type { ContainerMachine } from './oci/container-launcher.js';
export { CONTAINER_SANDBOX, type ContainerSpec, type HostVolume, type ImageConfig, type UnpackedImage } from './oci/container-spec.js';
export { containerLayer } from './oci/plan-container.js';
export { containerEnv, containerWords, type ContainerCommand, type ContainerKind } from './oci/image-config.js';
export { probeContainers, type ImageTools, type ProbedContainers } from './oci/probe-containers.js';
export { openImageStore, type ImageStore, type ImageWish } from './images/image-store.js';
export { parseImageReference } from './images/image-reference.js';
