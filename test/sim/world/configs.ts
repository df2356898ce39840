/** How the parts of a simulated cluster are configured: as in production, unless a scenario asks for something else. */
import type { AgentConfig } from '../../../apps/agent/src/agent-ports.js';
import { masterOptions, pingsOf } from '../../../apps/master/src/master-options.js';
import type { MasterConfig } from '../../../apps/master/src/master-ports.js';
import { apiOptions } from '../../../apps/paas-api/src/api-options.js';
import type { PaasConfig } from '../../../apps/paas-api/src/paas-api.js';
import { MAX_VERSIONS_PER_APP } from '../../../apps/paas-api/src/store/paas-store.js';

export const MASTER_CONFIG: MasterConfig = {
  hostname: 'master',
  ip: '10.0.0.1',
  port: 5050,
  version: '1.11.0',
  heartbeatIntervalMs: masterOptions.heartbeatIntervalMs.default,
  ...pingsOf({ pingIntervalMs: masterOptions.pingIntervalMs.default, agentTimeoutMs: masterOptions.agentTimeoutMs.default }),
  reregisterTimeoutMs: masterOptions.agentReregisterTimeoutMs.default,
  offerTimeoutMs: masterOptions.offerTimeoutMs.default,
  extensions: true,
};

/** But for who and where it is. */
export const AGENT_CONFIG: Omit<AgentConfig, 'hostname' | 'ip' | 'resources' | 'attributes' | 'bootId'> = {
  port: 5051,
  version: '0.1.0',
  region: null,
  zone: null,
  defaultKillGraceMs: 3000,
  baseEnv: {},
  containers: { imagesRefused: null, volumeDirs: [], allowsPrivileged: false },
};

/** How much of the past paas-api keeps. */
export const RETENTION = { events: apiOptions.keepEvents.default, deployments: apiOptions.keepDeployments.default, versionsPerApp: MAX_VERSIONS_PER_APP };

export const PAAS_CONFIG: PaasConfig = {
  address: 'paas:8080',
  hostname: 'paas',
  frameworkName: 'marathon',
  user: 'root',
  role: '*',
  failoverTimeoutMs: apiOptions.failoverTimeoutMs.default,
  servicePorts: { min: apiOptions.servicePortMin.default, max: apiOptions.servicePortMax.default },
  maxRunningDeployments: apiOptions.maxRunningDeployments.default,
  killRetryMs: apiOptions.killRetryMs.default,
  launchTimeoutMs: apiOptions.launchTimeoutMs.default,
  reconcileIntervalMs: apiOptions.reconcileIntervalMs.default,
  sweepIntervalMs: apiOptions.sweepIntervalMs.default,
  declineMs: apiOptions.declineMs.default,
  maxLaunchesPerAccept: 100,
};
