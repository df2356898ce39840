/**
 * The environment of a task, name for name as Marathon gives it (semantics 2.10). The app's own `env` wins.
 */
import { isoTime, taskPorts, type AppSpec, type Instance, type TaskRef } from '@ekiden/model';

/** Longer labels are left out: key length from here on (512 − the prefix), value length from here on. */
const MAX_LABEL_KEY = 493;
const MAX_LABEL_VALUE = 512;

export function taskEnvironment(spec: AppSpec, instance: Instance, task: TaskRef): Readonly<Record<string, string>> {
  return {
    MESOS_TASK_ID: task.taskId,
    MARATHON_APP_ID: spec.id,
    MARATHON_APP_VERSION: isoTime(instance.version),
    ...(spec.container?.kind !== 'DOCKER' ? {} : { MARATHON_APP_DOCKER_IMAGE: spec.container.image }),
    MARATHON_APP_RESOURCE_CPUS: decimal(spec.cpusMilli / 1000),
    MARATHON_APP_RESOURCE_MEM: decimal(spec.memMib),
    MARATHON_APP_RESOURCE_DISK: decimal(spec.diskMib),
    MARATHON_APP_RESOURCE_GPUS: String(spec.gpus),
    MARATHON_APP_ENFORCE_GROUP_ROLE: 'FALSE',
    ...labelVariables(spec.labels),
    HOST: task.hostname,
    ...portVariables(spec, task),
    ...spec.env,
  };
}

function labelVariables(labels: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(labels).filter(([key, value]) => key.length < MAX_LABEL_KEY && value.length < MAX_LABEL_VALUE);
  const variables: Record<string, string> = { MARATHON_APP_LABELS: kept.map(([key]) => variableName(key)).join(' ') };
  for (const [key, value] of kept) variables[`MARATHON_APP_LABEL_${variableName(key)}`] = value;
  return variables;
}

function portVariables(spec: AppSpec, { ports, taskId }: TaskRef): Record<string, string> {
  const variables: Record<string, string> = {};
  const known = taskPorts(spec, ports, taskId);
  known.forEach(({ hostPort, containerPort, asked, name }, index) => {
    const port = String(hostPort ?? containerPort);
    variables[`PORT${index}`] = port;
    variables[`PORT_${asked === 0 ? port : asked}`] = port;
    if (name !== null) variables[`PORT_${name.toUpperCase()}`] = port;
  });
  // Those that somebody has chosen; a container port that the app names is known to it.
  const generated = known.flatMap(({ hostPort, containerPort, asked }) => (hostPort === null && asked === 0 && containerPort !== null ? [containerPort] : []));
  const chosen = [...ports, ...generated];
  if (chosen[0] !== undefined) Object.assign(variables, { PORT: String(chosen[0]), PORTS: chosen.join(',') });
  return variables;
}

const variableName = (key: string): string => key.replace(/[^a-zA-Z0-9_]+/g, '_').toUpperCase();

/** As the JVM prints a double: 1 → `1.0`. */
const decimal = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : String(value));
