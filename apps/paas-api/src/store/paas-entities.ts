/**
 * The tables of paas-api as TypeORM sees them, for everything that is not hot. The migrations make them (migrations/paas).
 *
 * Rows never leave this folder. `bigint` columns hold epoch milliseconds and counters below 2^53, and are read as numbers.
 */
import { EntitySchema, type ValueTransformer } from 'typeorm';

/** A stored value with the version of its form. */
export type StoredBody = Readonly<Record<string, unknown>> & { readonly v: number };

export interface AppEntity {
  readonly id: string;
  readonly generation: number;
  readonly desiredVersion: number | null;
  readonly activeVersion: number | null;
}

export interface DeploymentEntity {
  readonly id: string;
  readonly state: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly appIds: readonly string[];
  readonly body: StoredBody;
}

export interface TaskFailureEntity {
  readonly appId: string;
  readonly body: StoredBody;
}

export interface EventEntity {
  readonly seq: number;
  readonly type: string;
  readonly at: number;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface ClusterEntity {
  readonly singleton: boolean;
  readonly frameworkId: string | null;
}

const int53: ValueTransformer = {
  to: (value: unknown) => value,
  from: (value: unknown) => (typeof value === 'string' ? Number(value) : value),
};

export const AppTable = new EntitySchema<AppEntity>({
  name: 'App',
  tableName: 'app',
  columns: {
    id: { type: 'text', primary: true },
    generation: { type: 'bigint', transformer: int53 },
    desiredVersion: { name: 'desired_version', type: 'bigint', nullable: true, transformer: int53 },
    activeVersion: { name: 'active_version', type: 'bigint', nullable: true, transformer: int53 },
  },
});

export const DeploymentTable = new EntitySchema<DeploymentEntity>({
  name: 'Deployment',
  tableName: 'deployment',
  columns: {
    id: { type: 'text', primary: true },
    state: { type: 'text' },
    startedAt: { name: 'started_at', type: 'bigint', transformer: int53 },
    endedAt: { name: 'ended_at', type: 'bigint', nullable: true, transformer: int53 },
    appIds: { name: 'app_ids', type: 'text', array: true },
    body: { type: 'jsonb' },
  },
});

export const TaskFailureTable = new EntitySchema<TaskFailureEntity>({
  name: 'TaskFailure',
  tableName: 'task_failure',
  columns: { appId: { name: 'app_id', type: 'text', primary: true }, body: { type: 'jsonb' } },
});

export const EventTable = new EntitySchema<EventEntity>({
  name: 'Event',
  tableName: 'event',
  columns: {
    seq: { type: 'bigint', primary: true, transformer: int53 },
    type: { type: 'text' },
    at: { type: 'bigint', transformer: int53 },
    payload: { type: 'json' },
  },
});

export const ClusterTable = new EntitySchema<ClusterEntity>({
  name: 'Cluster',
  tableName: 'cluster',
  columns: { singleton: { type: 'boolean', primary: true }, frameworkId: { name: 'framework_id', type: 'text', nullable: true } },
});

export const paasTables = [AppTable, DeploymentTable, TaskFailureTable, EventTable, ClusterTable];
