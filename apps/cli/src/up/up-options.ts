/** The options of `ekiden up`, as values; `commands/up.command.ts` reads them from the arguments. */
import { CliError } from '../cli-error.js';
import { MAX_AGENTS } from './port-plan.js';

export interface UpOptions {
  readonly agents: number;
  /** Null: what the machine has. */
  readonly agentCpus: number | null;
  /** MiB; null: what the machine has. */
  readonly agentMem: number | null;
  /** `rack:a;disk:ssd`, one an agent in turn; empty: none. */
  readonly agentAttributes: readonly string[];
  readonly apiPort: number;
  readonly masterPort: number;
  readonly agentPort: number;
  /** Where people reach the API; master and agents stay on loopback. */
  readonly bind: string;
  readonly dataDir: string;
  readonly keepTasks: boolean;
  /** Bearer tokens of people; null: loopback without one. */
  readonly tokenFile: string | null;
  readonly runtime: string | null;
}

const isLoopback = (address: string): boolean => address === 'localhost' || address === '::1' || address.startsWith('127.');

/** Throws a `CliError` for options that do not go together; single values are checked where they are read. */
export function checkUpOptions(options: UpOptions): void {
  if (options.agents > MAX_AGENTS)
    throw new CliError(
      `--agents ${options.agents} is too many: at most ${MAX_AGENTS}, each has 1,000 task ports of its own`,
      'start fewer, or use further machines',
    );
  if (!isLoopback(options.bind) && options.tokenFile === null)
    throw new CliError(
      `--bind ${options.bind} lets others in, and there is no --token-file`,
      'write a token of 16 or more characters into a file and name it with --token-file, or stay on 127.0.0.1',
    );
  if (options.apiPort === options.masterPort) throw new CliError(`--api-port and --master-port are both ${options.apiPort}`, 'give them different ports');
  if ([options.apiPort, options.masterPort].includes(options.agentPort))
    throw new CliError(`--agent-port ${options.agentPort} is used twice`, 'give it a port of its own');
}
