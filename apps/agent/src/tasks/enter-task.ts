/** What a command inside a task is run with: what the task itself has. Or why nothing can be run in it. Pure. */
import type { ExecSpec } from '@ekiden/isolation';
import type { AgentId } from '@ekiden/model';
import type { AgentConfig } from '../agent-ports.js';
import type { LiveTask } from './live-task.js';
import { taskEnv } from './task-env.js';

export type WantedCommand = Pick<ExecSpec, 'argv' | 'io'>;

export type Entrance =
  | { readonly kind: 'open'; readonly specOf: (command: WantedCommand) => ExecSpec }
  | { readonly kind: 'unknown' }
  /** Not yet, or no more. */
  | { readonly kind: 'not-running'; readonly stage: LiveTask['record']['stage'] };

export function entranceOf(task: LiveTask | undefined, config: Pick<AgentConfig, 'baseEnv'>, agentId: AgentId | null): Entrance {
  if (task === undefined) return { kind: 'unknown' };
  const { stage, sandbox, frameworkId } = task.record;
  if (stage !== 'running') return { kind: 'not-running', stage };
  const { taskId, plan } = task;
  const { user, env, isolation, limits } = plan;
  const entered = { taskId, sandbox, user, env: taskEnv({ taskId, frameworkId, agentId, sandbox }, config.baseEnv, env), ...isolation };
  return { kind: 'open', specOf: (command) => ({ ...entered, ...(limits.nofile === undefined ? {} : { nofile: limits.nofile }), ...command }) };
}
