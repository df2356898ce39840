/** `?embed=`: what is added to an app (Marathon: 6.1). Unknown values are ignored. */
export interface Embeds {
  readonly counts: boolean;
  readonly deployments: boolean;
  readonly tasks: boolean;
  readonly lastTaskFailure: boolean;
  readonly readiness: boolean;
  readonly taskStats: boolean;
}

const PREFIX = /^(?:group\.apps|apps|app)\./;

/** The embeds that a list of apps always has. */
export const LIST_EMBEDS: Embeds = { counts: true, deployments: true, tasks: false, lastTaskFailure: false, readiness: false, taskStats: false };
/** The embeds that a single read always has. */
export const SINGLE_EMBEDS: Embeds = { ...LIST_EMBEDS, tasks: true, lastTaskFailure: true };
export const NO_EMBEDS: Embeds = { ...LIST_EMBEDS, counts: false, deployments: false };

export function readEmbeds(values: readonly string[], base: Embeds): Embeds {
  const names = new Set(values.map((value) => value.replace(PREFIX, '')));
  const failures = names.has('failures');
  const tasks = base.tasks || failures || names.has('tasks');
  return {
    counts: base.counts || names.has('counts'),
    tasks,
    deployments: base.deployments || tasks || names.has('deployments'),
    lastTaskFailure: base.lastTaskFailure || failures || names.has('lastTaskFailure'),
    readiness: base.readiness || names.has('readiness'),
    taskStats: base.taskStats || names.has('taskStats'),
  };
}

/** The same embeds have the same key: reads are cached under it. */
export const embedsKey = (embeds: Embeds): string =>
  [embeds.counts, embeds.deployments, embeds.tasks, embeds.lastTaskFailure, embeds.readiness].map(Number).join('');
