/** One container in the memory of the engine runtime, from its launch or recovery until it is forgotten. */
import type { TaskId } from '@ekiden/model';
import type { TaskExit } from '../runtime.js';
import type { EngineClient } from './engine-client.js';
import type { LogPump } from './log-pump.js';

export interface EngineTask {
  readonly taskId: TaskId;
  readonly runDir: string;
  readonly client: EngineClient;
  container: string;
  stopSignal: number;
  /** It has joined the network of another container, which cannot go before it. */
  hasHolder: boolean;
  state: 'launching' | 'recovering' | 'running' | 'ending' | 'ended';
  pid: number;
  /** Asked for, and sent again until it has ended: the engine may be away. `killed` wins over `terminate`. */
  wanted: 'nothing' | 'terminate' | 'kill';
  /** The engine was asked to send a signal of ours. */
  wasSignalled: boolean;
  engineWasAway: boolean;
  oomEvents: number;
  /** By an event. */
  seenStatus: number | null;
  exit: TaskExit | null;
  pump: LogPump | null;
  isRemoved: boolean;
  /** Under way. */
  removal: Promise<unknown> | null;
}

export function newEngineTask(taskId: TaskId, runDir: string, client: EngineClient, state: EngineTask['state']): EngineTask {
  return {
    ...{ taskId, runDir, client, state, container: '', stopSignal: 0, hasHolder: false, pid: 0, wanted: 'nothing', wasSignalled: false, engineWasAway: false },
    ...{ oomEvents: 0, seenStatus: null, exit: null, pump: null, isRemoved: false, removal: null },
  };
}
