/** A task's checkpoint for tests. */
import { frameworkId } from '@ekiden/model';
import type { TaskRecord } from '../src/agent-ports.js';
import { aFramework, aTask } from './agent-bench.js';

export const aRecord = (id: string, launchedAt = 1): TaskRecord => ({
  v: 1,
  frameworkId: frameworkId('f'),
  framework: aFramework(),
  task: aTask(id),
  sandbox: '/s',
  runDir: '/r',
  stage: 'running',
  launchedAt,
  startedAt: null,
  kill: null,
  unacknowledged: [],
  latest: null,
});
