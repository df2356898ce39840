/** `GET /v2/info`: a fixed set of keys, null where nothing is set (Marathon: 10.9). Clients copy it key by key: add none. */
import type { PaasConfig } from '../paas-api.js';
import type { Json } from './stored-definition.js';

/** The line of Marathon whose API this is; clients compare dotted numbers. */
export const MARATHON_VERSION = '1.11.24';

export interface InfoSource {
  readonly config: PaasConfig;
  readonly elected: boolean;
  readonly leader: string | null;
  readonly frameworkId: string | null;
  readonly masters: readonly string[];
  readonly buildVersion: string;
  readonly httpPort: number | null;
}

export function renderInfo(source: InfoSource): Json {
  return {
    name: 'marathon',
    version: MARATHON_VERSION,
    buildref: `ekiden-${source.buildVersion}`,
    elected: source.elected,
    leader: source.leader,
    frameworkId: source.frameworkId,
    marathon_config: marathonConfig(source),
    zookeeper_config: {
      zk: null,
      zk_compression: null,
      zk_compression_threshold: null,
      zk_connection_timeout: null,
      zk_max_node_size: null,
      zk_max_versions: 50,
      zk_session_timeout: null,
      zk_timeout: null,
    },
    http_config: { http_port: source.httpPort, https_port: null },
  };
}

function marathonConfig({ config, masters }: InfoSource): Json {
  return {
    access_control_allow_origin: null,
    checkpoint: true,
    decline_offer_duration: config.declineMs,
    default_network_name: null,
    env_vars_prefix: null,
    executor: '//cmd',
    failover_timeout: Math.round(config.failoverTimeoutMs / 1_000),
    features: [],
    framework_name: config.frameworkName,
    ha: true,
    hostname: config.hostname,
    launch_token: null,
    launch_token_refresh_interval: null,
    leader_proxy_connection_timeout_ms: 5_000,
    leader_proxy_read_timeout_ms: 10_000,
    local_port_min: config.servicePorts.min,
    local_port_max: config.servicePorts.max,
    maintenance_mode: true,
    master: masters.join(','),
    max_instances_per_offer: config.maxLaunchesPerAccept,
    mesos_bridge_name: 'mesos-bridge',
    mesos_heartbeat_failure_threshold: 5,
    mesos_heartbeat_interval: 15_000,
    mesos_leader_ui_url: null,
    webui_url: null,
    mesos_role: config.role,
    mesos_user: config.user,
    min_revive_offers_interval: 5_000,
    new_group_enforce_role: 'Off',
    offer_matching_timeout: 3_000,
    on_elected_prepare_timeout: 180_000,
    reconciliation_initial_delay: config.reconcileIntervalMs,
    reconciliation_interval: config.reconcileIntervalMs,
    scale_apps_initial_delay: config.sweepIntervalMs,
    scale_apps_interval: config.sweepIntervalMs,
    store_cache: true,
    task_launch_confirm_timeout: config.launchTimeoutMs,
    task_launch_timeout: config.launchTimeoutMs,
    task_lost_expunge_initial_delay: 300_000,
    task_lost_expunge_interval: 30_000,
    task_reservation_timeout: 20_000,
  };
}
