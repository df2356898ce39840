/** Somebody else's framework in the simulated network: it speaks the scheduler API by hand, and does nothing unasked. */
import type { CallAnswer, FrameworkCall, SubscribeCall } from '@ekiden/framework-sdk';
import type { FrameworkInfo, TaskStatus, WireOffer } from '@ekiden/mesos';
import type { World } from '../world/world.js';

export class RawFramework {
  readonly offers = new Map<string, WireOffer>();
  /** Task → all its statuses, oldest first. */
  readonly statuses = new Map<string, TaskStatus[]>();
  /** Agents that were reported as lost. */
  readonly failures: string[] = [];
  id = '';
  streamId: string | null = null;
  isSubscribed = false;
  /** Why its last stream ended. */
  closed: string | null = null;
  /** What the master said in an ERROR. */
  error: string | null = null;
  private launched = 0;

  constructor(
    private readonly world: World,
    readonly name: string,
    private readonly info: Partial<FrameworkInfo> = {},
  ) {}

  async subscribe(): Promise<void> {
    const { network, clock } = this.world;
    const framework_info: FrameworkInfo = {
      user: 'root',
      name: this.name,
      roles: ['*'],
      failover_timeout: 3_600,
      checkpoint: true,
      capabilities: [{ type: 'MULTI_ROLE' }, { type: 'PARTITION_AWARE' }],
      ...this.info,
    };
    const framework_id = this.id === '' ? {} : { framework_id: { value: this.id } };
    const withId = this.id === '' ? framework_info : { ...framework_info, id: { value: this.id } };
    const call: SubscribeCall = { type: 'SUBSCRIBE', ...framework_id, subscribe: { framework_info: withId } };
    [this.closed, this.error, this.isSubscribed] = [null, null, false];
    network.transport(this.name).subscribe(call, {
      opened: (streamId) => void (this.streamId = streamId),
      closed: (why) => {
        this.closed = why;
        this.streamId = null;
        this.offers.clear();
      },
      event: (event) => {
        if (event.type === 'SUBSCRIBED') [this.id, this.isSubscribed] = [event.subscribed.framework_id.value, true];
        if (event.type === 'ERROR') this.error = event.error.message;
        if (event.type === 'OFFERS') for (const offer of event.offers.offers ?? []) this.offers.set(offer.id.value, offer);
        if (event.type === 'RESCIND') this.offers.delete(event.rescind.offer_id.value);
        if (event.type === 'FAILURE' && event.failure.agent_id !== undefined) this.failures.push(event.failure.agent_id.value);
        if (event.type === 'UPDATE') this.learn(event.update.status);
      },
    });
    await clock.until(`${this.name} is subscribed or refused`, () => this.isSubscribed || this.closed !== null);
  }

  call(call: FrameworkCall): Promise<CallAnswer> {
    const { network } = this.world;
    return this.world.settle(call.type, network.transport(this.name).call(this.streamId ?? '', { ...call, framework_id: { value: this.id } }));
  }

  /** Spends the first offer at hand (it waits for one) on so many small tasks. Answers their ids. */
  async launch(count: number, command = 'run'): Promise<string[]> {
    await this.world.clock.until('an offer', () => this.offers.size > 0);
    const [offer] = this.offers.values();
    this.offers.delete(offer!.id.value);
    const ids = Array.from({ length: count }, () => `${this.name}.${++this.launched}`);
    const task_infos = ids.map((value) => ({
      name: value,
      task_id: { value },
      agent_id: offer!.agent_id,
      resources: [
        { name: 'cpus', type: 'SCALAR' as const, scalar: { value: 0.1 } },
        { name: 'mem', type: 'SCALAR' as const, scalar: { value: 32 } },
      ],
      command: { shell: true, value: command },
    }));
    await this.call({ type: 'ACCEPT', accept: { offer_ids: [offer!.id], operations: [{ type: 'LAUNCH', launch: { task_infos } }] } });
    return ids;
  }

  /** The last state that it was told. */
  state(taskId: string): string | null {
    return this.statuses.get(taskId)?.at(-1)?.state ?? null;
  }

  running(): string[] {
    return this.world.processes().flatMap(({ taskId }) => (taskId.startsWith(`${this.name}.`) ? [taskId] : []));
  }

  private learn(status: TaskStatus): void {
    const { task_id, agent_id, uuid } = status;
    this.statuses.set(task_id.value, [...(this.statuses.get(task_id.value) ?? []), status]);
    if (uuid === undefined || agent_id === undefined) return;
    const acknowledge = { type: 'ACKNOWLEDGE' as const, framework_id: { value: this.id }, acknowledge: { task_id, agent_id, uuid } };
    void this.world.network.transport(this.name).call(this.streamId ?? '', acknowledge);
  }
}
