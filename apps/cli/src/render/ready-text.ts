/** What `ekiden up` says when everything serves: where, what to try first, where to look. */

export interface ReadyFacts {
  readonly api: string;
  readonly master: string;
  readonly agents: readonly string[];
  readonly dataDir: string;
  readonly keepTasks: boolean;
  /** A former start had been killed here: what it left running was adopted. */
  readonly adopted: boolean;
}

export function readyText(facts: ReadyFacts): string {
  return [
    `Ekiden is ready: API ${facts.api}  master ${facts.master}  agents ${facts.agents.join(' ')}`,
    ...(facts.adopted ? ['  what the last start left running was adopted'] : []),
    `  deploy something:  npx ekiden deploy examples/web.json${facts.api.endsWith(':8080') ? '' : ` --api ${facts.api}`}`,
    `  logs of the parts: ${facts.dataDir}/logs    stop: Ctrl-C${facts.keepTasks ? ' (tasks run on)' : ''}`,
  ].join('\n');
}
