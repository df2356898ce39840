/**
 * The shapes that Ekiden answers with: for the OpenAPI document, and for programs that read the API (section 10).
 *
 * Loose: further keys pass through, so that an older reader understands a newer server. `.meta({id})` makes each a named component.
 */
import { z } from 'zod';

const timestamp = z.string().meta({ description: 'ISO 8601, UTC, three fraction digits, Z' });

export const healthSchema = z
  .looseObject({
    alive: z.boolean(),
    consecutiveFailures: z.int(),
    instanceId: z.string(),
    firstSuccess: timestamp.optional(),
    lastSuccess: timestamp.optional(),
    lastFailure: timestamp.optional(),
    lastFailureCause: z.string().optional(),
  })
  .meta({ id: 'Health' });

export const taskSchema = z
  .looseObject({
    id: z.string(),
    appId: z.string(),
    host: z.string(),
    state: z.string(),
    ports: z.array(z.int()),
    servicePorts: z.array(z.int()),
    ipAddresses: z.array(z.looseObject({ ipAddress: z.string(), protocol: z.string() })),
    healthCheckResults: z.array(healthSchema),
    slaveId: z.string().optional(),
    stagedAt: timestamp.optional(),
    startedAt: timestamp.optional(),
    version: timestamp.optional(),
    role: z.string(),
  })
  .meta({ id: 'Task' });

export const taskFailureSchema = z
  .looseObject({ appId: z.string(), host: z.string(), taskId: z.string(), state: z.string(), message: z.string(), timestamp, version: timestamp })
  .meta({ id: 'TaskFailure' });

export const appInfoSchema = z
  .looseObject({
    id: z.string(),
    instances: z.int(),
    cpus: z.number(),
    mem: z.number(),
    disk: z.number(),
    labels: z.record(z.string(), z.string()),
    version: timestamp,
    tasksStaged: z.int().optional(),
    tasksRunning: z.int().optional(),
    tasksHealthy: z.int().optional(),
    tasksUnhealthy: z.int().optional(),
    deployments: z.array(z.object({ id: z.string() })).optional(),
    tasks: z.array(taskSchema).optional(),
    lastTaskFailure: taskFailureSchema.optional(),
  })
  .meta({ id: 'AppInfo', description: 'An app with all defaults filled in, and what was asked for with embed' });

export const appListSchema = z.looseObject({ apps: z.array(appInfoSchema) }).meta({ id: 'AppList' });
export const singleAppSchema = z.looseObject({ app: appInfoSchema }).meta({ id: 'SingleApp' });
export const taskListSchema = z.looseObject({ tasks: z.array(taskSchema) }).meta({ id: 'TaskList' });
export const versionsSchema = z.looseObject({ versions: z.array(timestamp) }).meta({ id: 'Versions' });
export const deploymentResultSchema = z.looseObject({ version: timestamp, deploymentId: z.string() }).meta({ id: 'DeploymentResult' });

const action = z.looseObject({ action: z.string(), app: z.string() });
export const deploymentSchema = z
  .looseObject({
    id: z.string(),
    version: timestamp,
    affectedApps: z.array(z.string()),
    affectedPods: z.array(z.string()),
    steps: z.array(z.looseObject({ actions: z.array(action) })),
    currentActions: z.array(action),
    currentStep: z.int(),
    totalSteps: z.int(),
  })
  .meta({ id: 'Deployment' });

const funnel = z.array(z.looseObject({ reason: z.string(), declined: z.int(), processed: z.int() }));
export const queueSchema = z
  .looseObject({
    queue: z.array(
      z.looseObject({
        count: z.int(),
        role: z.string(),
        delay: z.looseObject({ timeLeftSeconds: z.int(), overdue: z.boolean() }),
        since: timestamp,
        app: appInfoSchema,
        processedOffersSummary: z.looseObject({
          processedOffersCount: z.int(),
          unusedOffersCount: z.int(),
          rejectSummaryLastOffers: funnel,
          rejectSummaryLaunchAttempt: funnel,
        }),
      }),
    ),
  })
  .meta({ id: 'Queue' });

export const infoSchema = z
  .looseObject({ name: z.string(), version: z.string(), elected: z.boolean(), leader: z.string().nullable(), frameworkId: z.string().nullable() })
  .meta({ id: 'Info' });

export const errorSchema = z
  .looseObject({
    message: z.string(),
    details: z.union([z.string(), z.array(z.looseObject({ path: z.string(), errors: z.array(z.string()) }))]).optional(),
    deployments: z.array(z.object({ id: z.string() })).optional(),
  })
  .meta({ id: 'Error' });
