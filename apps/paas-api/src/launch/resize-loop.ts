/**
 * Asks the master for each recorded change of a task's size, until its outcome is recorded; gives up on one that takes too long.
 *
 * What is to be changed is read from committed instances; what is remembered here is only what was asked over this stream. A
 * smaller size is asked for at once. Growth waits for offers of the very agent, and spends them. Whatever the master says, its
 * 202 is no outcome: that comes in a status of the task. Asked twice, it is done once, since the revision says which change is
 * meant; so after a new subscription everything that is open is asked again.
 * Room on the machine is waited for some seconds, an answer for longer than it takes to give a machine up, neither while no master
 * is there. Then the instance is recorded as unable, with the reason: it is replaced, within the budget of a roll-out, wherever there is room.
 */
import type { CallAnswer, Connection, SchedulerClient } from '@ekiden/framework-sdk';
import { EKIDEN_RESIZE, resourcesToWire } from '@ekiden/mesos';
import {
  describeSize,
  isSameSize,
  NO_RESOURCES,
  type AppId,
  type Instance,
  type InstanceId,
  type Instant,
  type Resize,
  type TaskRef,
  type TaskSize,
  type Timer,
} from '@ekiden/model';
import type { OfferView } from '@ekiden/planner';
import type { Committed, Ledger } from '../ledger/ledger.js';
import { specOf, stepAndRecord } from '../ledger/record-step.js';
import type { PaasPorts, PaasView } from '../paas-api.js';
import type { OfferLoop } from './offer-loop.js';

/** How long growth may wait for room on its machine, over one stream, before its instance is replaced instead. */
export const ROOM_PATIENCE_MS = 20_000;
/** The same of the outcome: longer than an agent may be silent before it counts as unreachable. */
export const OUTCOME_PATIENCE_MS = 120_000;
/** What could not be done now is asked again after this. */
const RETRY_MS = 5_000;

interface Open {
  readonly appId: AppId;
  readonly task: TaskRef;
  readonly resize: Resize;
  readonly since: Instant;
  patience: Timer | null;
  retry: Timer | null;
  /** What it waits for, for people. */
  text: string;
}

export class ResizeLoop {
  private readonly open = new Map<InstanceId, Open>();
  private readonly byApp = new Map<AppId, ReadonlySet<InstanceId>>();

  constructor(
    private readonly ports: PaasPorts,
    private readonly ledger: Ledger,
    private readonly client: () => SchedulerClient,
    private readonly offers: OfferLoop,
  ) {
    offers.grow = ({ instanceId }, payment) => void this.ask(instanceId, payment);
  }

  connected(): void {
    const apps = new Set(this.ledger.state.appsWithInstances());
    for (const id of apps) this.look(id);
  }

  /** Patience begins anew with the next stream, and so do the calls. */
  disconnected(): void {
    for (const id of [...this.open.keys()]) this.close(id);
    this.byApp.clear();
  }

  stop(): void {
    this.disconnected();
  }

  sizes(): { readonly resizesOpen: number } {
    return { resizesOpen: this.open.size };
  }

  committed({ looked }: Committed): void {
    if (this.client().connection !== null) for (const id of looked) this.look(id);
  }

  /** Of one app, for `ekiden why`. */
  list(id: AppId): ReturnType<PaasView['resizing']> {
    return [...(this.byApp.get(id) ?? [])].flatMap((instanceId) => {
      const one = this.open.get(instanceId);
      return one === undefined ? [] : [{ taskId: one.task.taskId, hostname: one.task.hostname, since: one.since, text: one.text }];
    });
  }

  private look(appId: AppId): void {
    const wanted = new Set<InstanceId>();
    for (const instance of this.ledger.state.instances(appId)) {
      const task = openTask(instance);
      const { resize } = instance;
      if (task === null || resize === undefined) continue;
      wanted.add(instance.id);
      const known = this.open.get(instance.id);
      if (known?.resize.revision === resize.revision && known.task.taskId === task.taskId) continue;
      if (known !== undefined) this.close(instance.id);
      this.begin(instance, task, resize);
    }
    for (const id of this.byApp.get(appId) ?? []) if (!wanted.has(id)) this.close(id);
    if (wanted.size === 0) this.byApp.delete(appId);
    else this.byApp.set(appId, wanted);
  }

  private begin(instance: Instance, task: TaskRef, resize: Resize): void {
    const { clock } = this.ports;
    this.open.set(instance.id, { appId: instance.appId, task, resize, since: clock.now(), patience: null, retry: null, text: '' });
    this.wait(instance.id, OUTCOME_PATIENCE_MS);
    const growth = growthOf(resize);
    // What overtakes another change may find its growth held already: only the master knows.
    const isOvertaking = growth !== null && !isSameSize(resize.least, specOf(this.ledger.state, instance) ?? resize.least);
    if (growth === null || isOvertaking) void this.ask(instance.id, []);
    else this.wantOffer(instance.id, growth);
  }

  /** `then`: by default it is given up. */
  private wait(id: InstanceId, patienceMs: number, then: ((one: Open) => void) | null = null): void {
    const one = this.open.get(id);
    if (one === undefined) return;
    one.patience?.cancel();
    const { clock } = this.ports;
    // All together no longer than the longest, however often it is asked again.
    const leftMs = Math.min(patienceMs, Math.max(0, one.since + OUTCOME_PATIENCE_MS - clock.now()));
    const giveUp = (): void => void this.refuse(one.resize, id, `it ${one.text}, for ${Math.round((clock.now() - one.since) / 1000)} s`);
    one.patience = clock.after(leftMs, () => (then === null || leftMs < patienceMs ? giveUp() : then(one)));
  }

  private close(id: InstanceId): void {
    const one = this.open.get(id);
    one?.patience?.cancel();
    one?.retry?.cancel();
    this.open.delete(id);
    this.offers.wants.growths.delete(id);
  }

  private wantOffer(instanceId: InstanceId, by: TaskSize): void {
    const one = this.open.get(instanceId);
    const spec = one === undefined ? null : (this.ledger.state.version(one.appId, one.resize.version)?.spec ?? null);
    if (one === undefined || spec === null) return;
    one.text = `waits for ${describeSize(by)} more on ${one.task.hostname}`;
    // Nobody offers what is taken, nor what is away: which of both it is, the master says.
    this.wait(instanceId, ROOM_PATIENCE_MS, () => void this.ask(instanceId, [], true));
    this.offers.growthWanted({ instanceId, agentId: one.task.agentId, role: spec.role, by });
  }

  private async ask(instanceId: InstanceId, payment: readonly OfferView[], isLast = false): Promise<void> {
    const one = this.open.get(instanceId);
    const connection = this.client().connection;
    if (one === undefined || connection === null) return;
    const { task, resize } = one;
    this.offers.wants.growths.delete(instanceId);
    this.wait(instanceId, OUTCOME_PATIENCE_MS);
    one.text = `is being given ${describeSize(resize.size)} on ${task.hostname}`;
    this.ports.log.info('changing the size of a task', { taskId: task.taskId, agentId: task.agentId, appId: one.appId, instanceId, ...resize.size });
    const answer = await this.client().call({
      type: EKIDEN_RESIZE,
      resize: {
        task_id: { value: task.taskId },
        agent_id: { value: task.agentId },
        resources: resourcesToWire({ ...NO_RESOURCES, ...resize.size }),
        revision: resize.revision,
        offer_ids: payment.map(({ id }) => ({ value: id })),
      },
    });
    // The master may never have seen it; one that is spent is nobody's.
    if (payment.length > 0 && !isTaken(answer) && this.client().connection === connection) this.giveBack(payment);
    if (this.open.get(instanceId) === one) this.answered(instanceId, one, answer, connection, isLast);
  }

  private giveBack(offers: readonly OfferView[]): void {
    const offer_ids = offers.map(({ id }) => ({ value: id }));
    void this.client().call({ type: 'DECLINE', decline: { offer_ids, filters: { refuse_seconds: 0 } } });
  }

  private answered(id: InstanceId, one: Open, answer: CallAnswer, connection: Connection, isLast: boolean): void {
    if (isTaken(answer)) return; // The outcome comes from the agent.
    const { status, text } = answer;
    const growth = growthOf(one.resize);
    if (status === NEVER || status === UNKNOWN_CALL) return void this.refuse(one.resize, id, text);
    if (isLast && status === UNPAID) return void this.refuse(one.resize, id, `no room on ${one.task.hostname}: ${text}`);
    this.ports.log.info('the size of a task was not changed yet', { taskId: one.task.taskId, status, text });
    one.text = `could not be resized on ${one.task.hostname} yet: ${text}`;
    one.retry = this.ports.clock.after(RETRY_MS, () => {
      if (this.open.get(id) !== one || this.client().connection !== connection) return;
      if (growth === null) void this.ask(id, []);
      else this.wantOffer(id, growth);
    });
  }

  private async refuse(resize: Resize, id: InstanceId, refused: string): Promise<void> {
    this.ports.log.warn('the size of a task cannot be changed in place: it is replaced', { instanceId: id, refused });
    try {
      await this.ledger.change((draft) => {
        const instance = draft.instance(id);
        if (instance?.resize?.revision === resize.revision) stepAndRecord(draft, instance, { kind: 'resize', resize: { ...instance.resize, refused } });
      });
    } catch (error) {
      this.ports.log.warn('that a task is replaced was not recorded yet', { instanceId: id, error: String(error) });
      const one = this.open.get(id);
      if (one?.resize.revision === resize.revision) one.retry = this.ports.clock.after(RETRY_MS, () => void this.refuse(resize, id, refused));
    }
  }
}

const isTaken = ({ status }: CallAnswer): boolean => status >= 200 && status < 300;
const UNPAID = 409;
/** Not on that agent, or not at that master. */
const NEVER = 422;
const UNKNOWN_CALL = 501;

/** The task whose size is to be changed now; null: none is. */
function openTask({ resize, condition, stop, goal }: Instance): TaskRef | null {
  if (resize === undefined || resize.refused !== null || condition.kind !== 'running' || stop !== null || goal !== 'running') return null;
  return condition.task;
}

/** What may be missing in either; null: nothing. */
function growthOf({ size, least }: Resize): TaskSize | null {
  const by = { cpusMilli: Math.max(0, size.cpusMilli - least.cpusMilli), memMib: Math.max(0, size.memMib - least.memMib) };
  return by.cpusMilli > 0 || by.memMib > 0 ? by : null;
}
