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
export type { ContainerNetwork } from './oci/container-spec.js';
export { DEFAULT_CAPABILITIES } from './oci/bundle.js';
export type { ContainerMachine } from './oci/container-launcher.js';
export { compositeRuntime } from './composite-runtime.js';
export { createEngineRuntime, type EngineRuntime, type EngineRuntimeOptions } from './engine/engine-runtime.js';
export { createEngineNetworks, type EngineNetworks } from './engine/engine-networks.js';
export { engineClient } from './engine/engine-client.js';
export { openImageLedger } from './engine/image-ledger.js';
export { openEngineImages, type EngineImages } from './engine/engine-images.js';
export { DOCKER_SOCKET, probeEngine, socketsToTry, type ProbedEngine, type ReadyEngine } from './engine/probe-engine.js';
export {
  CONTAINER_SANDBOX,
  type ContainerImage,
  type EngineImage,
  type ContainerSpec,
  type HostVolume,
  type ImageConfig,
  type UnpackedImage,
} from './oci/container-spec.js';
export { containerLayer } from './oci/plan-container.js';
export { containerEnv, containerWords, type ContainerCommand, type ContainerKind } from './oci/image-config.js';
export { probeContainers, type ImageTools, type ProbedContainers } from './oci/probe-containers.js';
export { openImageStore, type ImageStore, type ImageWish } from './images/image-store.js';
export { SANDBOX_AUTH_FILES } from './images/auth-file.js';
export { parseImageReference } from './images/image-reference.js';
export type { DnsSettings, NetworkList, PortForward } from './networks/cni-config.js';
export { machineNetwork, type InterfaceCounters } from './networks/machine-network.js';
export { readNetworkConfigs } from './networks/network-configs.js';
export { probeNetworks, type ProbedNetworks } from './networks/probe-networks.js';
export { pluginRunner } from './networks/run-plugin.js';
export { findMutePlugins, pluginTypes } from './networks/try-plugins.js';
export { parseSubnet, type Subnet } from './networks/subnets.js';
export { createTaskNetworks, type NetworkNames, type NetworkWish, type TaskNetwork, type TaskNetworks } from './networks/task-networks.js';
export { createPods, type PodLaunch, type PodOptions, type Pods, type RecoveredPod } from './pods/create-pods.js';
export { MAX_MEMBERS, MAX_VOLUMES, type PodExit, type PodMember, type PodMount, type PodSpec } from './pods/pod-spec.js';
