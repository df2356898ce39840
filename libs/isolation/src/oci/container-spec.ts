/** What a launch says about the container that its command runs in. The command, environment, user and limits stand beside it in `LaunchSpec`. */
import type { DockerOptions } from '@ekiden/model';
import type { DnsSettings } from '../networks/cni-config.js';

export interface ContainerSpec {
  readonly image: ContainerImage;
  /** Where the command starts; null: as the image says, else `/`. A directory that is not there is made. */
  readonly workingDirectory: string | null;
  /** In the order in which they are mounted. The sandbox is always there, at `CONTAINER_SANDBOX`. */
  readonly volumes: readonly HostVolume[];
  /** Of its own. Absent: the machine's. */
  readonly network?: ContainerNetwork;
  /** As `docker run` has them; its environment, entrypoint and working directory are in the launch by now. Absent: none. */
  readonly options?: DockerOptions;
}

/** Made before the launch (networks/), and taken away after the end, by whoever launches. */
export interface ContainerNetwork {
  /** The file that holds its network namespace open. */
  readonly namespace: string;
  readonly addresses: readonly string[];
  /** Instead of the machine's resolvers; no nameservers: those. */
  readonly dns: DnsSettings;
  readonly hostname: string;
  /** Of a container engine: whose network it joins. Host name, hosts and resolvers are that one's. */
  readonly holder?: string;
}

/** Which it is says who runs it. */
export type ContainerImage = UnpackedImage | EngineImage;

/** An image that a container engine keeps. */
export interface EngineImage {
  /** `sha256:…` of the manifest that was pulled; of the image where it was made there. */
  readonly digest: string;
  /** By which the engine knows it, whatever tags move meanwhile. */
  readonly imageId: string;
  /** As of an unpacked one; of one that was made in the engine, by what the engine calls it. */
  readonly registryDigest?: string;
  readonly config: ImageConfig;
}

/** An image on this machine's disk: shared by all tasks of the same manifest, never written to. */
export interface UnpackedImage {
  /** `sha256:…` of the manifest that was unpacked. */
  readonly digest: string;
  /** What its registry calls it, `sha256:…`: by that it can be asked for elsewhere. Absent: nobody asked one. */
  readonly registryDigest?: string;
  /** Absolute. */
  readonly rootfs: string;
  readonly config: ImageConfig;
}

/** What an image says about how it wants to be run; the OCI image configuration without what nobody acts on. */
export interface ImageConfig {
  /** `user`, `user:group`, by name or number; empty: root. */
  readonly user: string;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDirectory: string;
  /** As the image writes it; empty: SIGTERM. */
  readonly stopSignal: string;
}

export interface HostVolume {
  /** Absolute, on the machine. */
  readonly hostPath: string;
  /** Absolute, in the container. */
  readonly containerPath: string;
  readonly isReadOnly: boolean;
}

/** Where a container finds its sandbox (Mesos: the same path in both of its containerizers). */
export const CONTAINER_SANDBOX = '/mnt/mesos/sandbox';
