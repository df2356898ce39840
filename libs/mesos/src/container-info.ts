/** Mesos' ContainerInfo, as far as Ekiden makes and reads it. What comes from others is read field by field by the agent. */

export interface ContainerInfo {
  type: 'DOCKER' | 'MESOS';
  volumes?: ContainerVolume[];
  docker?: {
    image: string;
    /** Mesos' own default is HOST. */
    network?: 'HOST' | 'BRIDGE' | 'NONE' | 'USER';
    privileged?: boolean;
    force_pull_image?: boolean;
    port_mappings?: PortMapping[];
    parameters?: { key: string; value: string }[];
  };
  network_infos?: NetworkInfo[];
  mesos?: {
    image?: { type: 'DOCKER'; docker: { name: string }; /** False: ask the registry even if the image is there. */ cached?: boolean };
  };
}

export interface PortMapping {
  host_port: number;
  container_port: number;
  /** `tcp`, `udp`. */
  protocol?: string;
}

export interface NetworkInfo {
  name?: string;
  ip_addresses?: { protocol?: string; ip_address?: string }[];
  labels?: { labels?: { key: string; value?: string }[] };
  port_mappings?: PortMapping[];
}

export interface ContainerVolume {
  mode: 'RO' | 'RW';
  container_path: string;
  host_path: string;
}
