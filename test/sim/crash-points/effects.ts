/** What a deployment did to the world: every start and end of a process, every row that it made, every event; and the judgement. */
import type { InstanceId, TaskId } from '@ekiden/model';
import type { DeploymentRow, DeploymentState, EventRow } from '../../../apps/paas-api/src/store/paas-store.js';
import type { SimEvent } from '../world/sim-event.js';
import type { SimProcess } from '../world/sim-process.js';
import type { World } from '../world/world.js';

/** What a deployment may do. */
export interface Expected {
  /** Processes started and ended, instances and versions made, all since the request. */
  readonly starts: number;
  readonly ends: number;
  readonly instances: number;
  readonly versions: number;
  /** How its deployments end, in the order in which they were made. */
  readonly deployments: readonly DeploymentState[];
  /** What runs at the end, sorted. */
  readonly commands: readonly string[];
  /** How many of the processes that ran before still run. */
  readonly survivors: number;
  /** An agent that is away for long may keep it from starting and ending anything before it is rolled back. */
  readonly mayBeFutile?: boolean;
  /** Anything else that has to hold, in words where it does not. */
  readonly also?: (effects: Effects, world: World) => string[];
}

export class Effects {
  readonly started: SimProcess[] = [];
  readonly ended: SimProcess[] = [];
  private readonly ran: readonly SimProcess[];
  private readonly instances = new Set<InstanceId>();
  private readonly versions = new Set<string>();
  private readonly published: EventRow[] = [];
  private readonly firstSeq: number;
  private readonly knownDeployments: ReadonlySet<string>;

  /** From now on. `apps`: whose they are, for the story. */
  constructor(
    private readonly world: World,
    private readonly apps: string,
  ) {
    this.ran = world.processes();
    this.firstSeq = world.paasDatabase.events.at(-1)?.seq ?? 0;
    this.knownDeployments = new Set(world.paasDatabase.deployments.keys());
    world.witnesses.add((event) => this.see(event));
  }

  private see(event: SimEvent): void {
    if (event.kind === 'process-started') this.started.push(event.process);
    else if (event.kind === 'process-ended') this.ended.push(event.process);
    else if (event.kind === 'published') this.published.push(event.row);
    else if (event.kind === 'committed') {
      for (const [id, was] of event.before.instances) if (was === null) this.instances.add(id);
      for (const write of event.writes) if (write.kind === 'put-version') this.versions.add(`${write.row.appId} ${write.row.version}`);
    }
  }

  /** What was done too often, or not at all. */
  judge(expected: Expected): string[] {
    const { world } = this;
    const wrong: string[] = [];
    const compare = (what: string, is: unknown, shouldBe: unknown): void => {
      if (JSON.stringify(is) !== JSON.stringify(shouldBe))
        wrong.push(`no step twice, ${this.apps}: ${what}: ${JSON.stringify(is)}, expected ${JSON.stringify(shouldBe)}`);
    };
    const isFutile = expected.mayBeFutile === true && this.started.length === 0;
    compare('processes started', this.started.length, isFutile ? 0 : expected.starts);
    compare('processes ended', this.ended.length, isFutile ? 0 : expected.ends);
    compare('instances made', this.instances.size, expected.instances);
    compare('versions made', this.versions.size, expected.versions);
    compare('what runs', commandsOf(world), expected.commands);
    compare('processes that ran before and still do', this.ran.filter((one) => one.exit === null).length, expected.survivors);
    const ends = this.deployments().flatMap((row) => (row.steps.length > 0 ? [row.state] : []));
    compare('deployments', ends, expected.deployments);
    return [...wrong, ...this.judgeEvents(), ...(expected.also?.(this, world) ?? [])];
  }

  private deployments(): DeploymentRow[] {
    return [...this.world.paasDatabase.deployments.values()].filter((row) => !this.knownDeployments.has(row.id));
  }

  /** The outbox has no gap, nobody heard what is not in it, and everything that happened is told. */
  private judgeEvents(): string[] {
    const events = this.world.paasDatabase.events.filter((event) => event.seq > this.firstSeq);
    const wrong: string[] = [];
    events.forEach((event, at) => {
      if (event.seq !== this.firstSeq + at + 1) wrong.push(`1. event ${this.firstSeq + at + 1} is missing`);
    });
    const bySeq = new Map(events.map((event) => [event.seq, event]));
    this.published.forEach((event, at) => {
      if (bySeq.get(event.seq) !== event) wrong.push(`1. event ${event.seq} was published, and is not recorded`);
      if (at > 0 && event.seq <= (this.published[at - 1]?.seq ?? 0)) wrong.push(`1. event ${event.seq} was published out of turn`);
    });
    for (const row of this.deployments()) {
      const ends = events.filter(({ type, payload }) => /^deployment_(success|failed)$/.test(type) && payload['id'] === row.id).length;
      if (ends !== 1) wrong.push(`1. the end of deployment ${row.id} is told ${ends} times`);
    }
    const ended = new Set(this.ended);
    for (const process of new Set([...this.started, ...this.ended]))
      wrong.push(...judgeTask(events, process.taskId, { isStarted: this.started.includes(process), isEnded: ended.has(process) }));
    return wrong;
  }
}

/**
 * That a task runs and that it has ended is told once each. One that was out of reach may run again, or belong to nobody when
 * its agent is back: then its instance's end is told instead.
 */
function judgeTask(events: readonly EventRow[], taskId: TaskId, { isStarted, isEnded }: { readonly isStarted: boolean; readonly isEnded: boolean }): string[] {
  const told = events.flatMap(({ type, payload }) => (type === 'status_update_event' && payload['taskId'] === taskId ? [String(payload['taskStatus'])] : []));
  const runs = told.filter((state) => state === 'TASK_RUNNING').length;
  const ends = told.filter((state) => ENDS.has(state));
  const lost = told.filter((state) => state === 'TASK_UNREACHABLE').length;
  const isStray = events.some(({ type, payload }) => type === 'unknown_instance_terminated_event' && taskId.startsWith(`${String(payload['instanceId'])}.`));
  const wrong: string[] = [];
  if (isStarted && (lost === 0 ? runs !== 1 : runs > 1 + lost)) wrong.push(`1. that ${taskId} runs is told ${runs} times`);
  if (isEnded && ends.length !== 1 && !(ends.length === 0 && lost > 0 && isStray)) wrong.push(`1. the end of ${taskId} is told ${ends.length} times`);
  // Nothing ends here by itself: every end is a kill that its agent has seen, and no guess of a master who never heard of the task.
  if (isEnded && lost === 0 && ends.some((state) => state !== 'TASK_KILLED')) wrong.push(`5. ${taskId} was killed, and told is ${ends.join(', ')}`);
  return wrong;
}

const ENDS: ReadonlySet<string> = new Set(['TASK_KILLED', 'TASK_FINISHED', 'TASK_FAILED', 'TASK_LOST', 'TASK_GONE', 'TASK_DROPPED', 'TASK_ERROR']);

const commandsOf = (world: World): string[] =>
  world
    .processes()
    .map((process) => process.command)
    .sort();
