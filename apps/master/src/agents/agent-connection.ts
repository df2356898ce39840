/** One connection that an agent opened, before and after it has registered. */
import type { MasterMessage } from '@ekiden/agent-link';
import type { AgentId, Timer } from '@ekiden/model';

export interface AgentConnection {
  send(message: MasterMessage): void;
  close(why: string): void;
  /** Who registers over it, from the first message on; null: nobody yet. */
  claimedBy: AgentId | null;
  /** Null until registered. */
  agentId: AgentId | null;
  /** For somebody to register. */
  readonly waits: Timer;
  isClosed: boolean;
}
