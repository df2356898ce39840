/**
 * What the command line reads of the API's answers. Loose: further fields pass through, so that an older `ekiden` works
 * with a newer API. Wire names and values are Marathon's; what is under /ekiden/v1 is ours.
 */
import { z } from 'zod';

const Health = z.looseObject({ alive: z.boolean(), consecutiveFailures: z.number().default(0), lastFailureCause: z.string().optional() });

export const Task = z.looseObject({
  id: z.string(),
  appId: z.string(),
  host: z.string().default(''),
  state: z.string(),
  ports: z.array(z.number()).default([]),
  version: z.string().optional(),
  stagedAt: z.string().optional(),
  startedAt: z.string().optional(),
  healthCheckResults: z.array(Health.nullable()).default([]),
  resize: z.looseObject({ cpus: z.number(), mem: z.number(), refused: z.string().nullable().default(null) }).optional(),
});
export type Task = z.infer<typeof Task>;

const Failure = z.looseObject({
  taskId: z.string(),
  host: z.string().default(''),
  state: z.string(),
  message: z.string().default(''),
  timestamp: z.string(),
  version: z.string().optional(),
});

export const App = z.looseObject({
  id: z.string(),
  instances: z.number(),
  cpus: z.number().default(0),
  mem: z.number().default(0),
  version: z.string().default(''),
  tasksStaged: z.number().default(0),
  tasksRunning: z.number().default(0),
  tasksHealthy: z.number().default(0),
  tasksUnhealthy: z.number().default(0),
  healthChecks: z.array(z.unknown()).default([]),
  deployments: z.array(z.looseObject({ id: z.string() })).default([]),
  tasks: z.array(Task).default([]),
  lastTaskFailure: Failure.optional(),
});
export type App = z.infer<typeof App>;

/** Of /ekiden/v1/apps/ID/images. */
export const Images = z.looseObject({
  digest: z.string().nullable().default(null),
  image: z.string().nullable().default(null),
  tasks: z.array(z.looseObject({ id: z.string(), digest: z.string().nullable().default(null) })).default([]),
});
export type Images = z.infer<typeof Images>;

export const AppList = z.looseObject({ apps: z.array(App) });
export const OneApp = z.looseObject({ app: App });
export const TaskList = z.looseObject({ tasks: z.array(Task) });
export const Versions = z.looseObject({ versions: z.array(z.string()) });
export const DeploymentResult = z.looseObject({ version: z.string(), deploymentId: z.string() });

const Action = z.looseObject({ action: z.string(), app: z.string().optional() });
export const RunningDeployment = z.looseObject({
  id: z.string(),
  version: z.string(),
  affectedApps: z.array(z.string()).default([]),
  currentStep: z.number().default(0),
  totalSteps: z.number().default(0),
  currentActions: z.array(Action).default([]),
});
export type RunningDeployment = z.infer<typeof RunningDeployment>;
export const RunningDeployments = z.array(RunningDeployment);

/** Of /ekiden/v1/deployments: ended ones too, with how and why they ended. */
export const Deployment = z.looseObject({
  id: z.string(),
  state: z.enum(['running', 'succeeded', 'failed', 'cancelled', 'rolled-back']),
  reason: z.string().nullable().default(null),
  affectedApps: z.array(z.string()).default([]),
  currentStep: z.number().default(0),
  totalSteps: z.number().default(0),
  stuckSince: z.string().nullable().default(null),
  startedAt: z.string(),
  endedAt: z.string().nullable().default(null),
});
export type Deployment = z.infer<typeof Deployment>;
export const DeploymentHistory = z.looseObject({ deployments: z.array(Deployment) });

export const Preview = z.looseObject({
  apps: z.array(
    z.looseObject({
      appId: z.string(),
      action: z.enum(['create', 'restart', 'scale', 'resize', 'update-in-place', 'delete', 'nothing']),
      changedFields: z.array(z.string()).default([]),
      tasksToRestart: z.number().default(0),
      tasksToResize: z.number().default(0),
    }),
  ),
});
export type Preview = z.infer<typeof Preview>;

const Refused = z.looseObject({ hostname: z.string().default(''), reason: z.string(), text: z.string().default(''), at: z.string().optional() });
export const Why = z.looseObject({
  appId: z.string(),
  summary: z.string().optional(),
  waitingFor: z.array(z.union([z.string(), z.looseObject({ text: z.string() })])).default([]),
  queue: z
    .looseObject({
      count: z.number(),
      since: z.string(),
      delayMs: z.number().default(0),
      processedOffers: z.number().default(0),
      refusals: z.array(Refused).default([]),
      refusedSince: z.record(z.string(), z.number()).default({}),
    })
    .nullable()
    .default(null),
  lastTaskFailure: Failure.nullable().default(null),
});
export type Why = z.infer<typeof Why>;

const Quantities = z.looseObject({ cpus: z.number().default(0), mem: z.number().default(0), disk: z.number().default(0) });
export const Node = z.looseObject({
  id: z.string(),
  hostname: z.string(),
  address: z.string().default(''),
  state: z.string().default(''),
  resources: Quantities.optional(),
  used: Quantities.optional(),
  deficit: Quantities.optional(),
  attributes: z.record(z.string(), z.string()).default({}),
  runtimes: z.array(z.looseObject({ name: z.string(), isUsed: z.boolean(), reasons: z.array(z.string()).default([]) })).default([]),
  tasks: z.number().default(0),
});
export type Node = z.infer<typeof Node>;
export const NodeList = z.looseObject({ nodes: z.array(Node) });

export const LogPart = z.looseObject({ data: z.string(), offset: z.number(), nextOffset: z.number().optional(), begin: z.number().optional() });

const amount = z.number().nullable().default(null);
export const TaskUse = z.looseObject({
  appId: z.string(),
  taskId: z.string(),
  host: z.string().default(''),
  cpu: z.looseObject({ totalSecs: z.number(), requestedCpus: z.number(), limitCpus: amount }),
  memory: z.looseObject({ workingSetBytes: z.number(), requestedBytes: z.number(), limitBytes: amount, peakBytes: amount }),
  /** On average since the reading before. */
  recent: z.looseObject({ secs: z.number(), cpus: z.number(), throttledShare: amount, readBytesPerSec: amount, writtenBytesPerSec: amount }).nullable(),
});
export type TaskUse = z.infer<typeof TaskUse>;
export const Statistics = z.looseObject({
  tasks: z.array(TaskUse),
  leftOut: z.number().default(0),
  unanswered: z.array(z.looseObject({ host: z.string(), tasks: z.number(), why: z.string() })).default([]),
});
export type Statistics = z.infer<typeof Statistics>;
