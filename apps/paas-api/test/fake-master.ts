/**
 * A master in one file, for the core's tests: offers, launches, kills and statuses on the virtual clock, with faults on request.
 *
 * It keeps Mesos' promises that paas-api relies on (an offer is spent once, calls over an old stream are refused, a status
 * comes again until it is acknowledged) and nothing else. Tasks run as soon as they are launched, unless told otherwise.
 */
import type { CallAnswer, SchedulerTransport, SubscribeCall, Subscription, SubscriptionSink } from '@ekiden/framework-sdk';
import {
  EKIDEN_BATCH_ACKNOWLEDGE,
  EKIDEN_RESIZE,
  EKIDEN_TASK_DATA,
  encodeData,
  resourcesToModel,
  resourcesToWire,
  type EkidenStatusData,
  type SchedulerCall,
  type TaskInfo,
  type TaskStatus,
} from '@ekiden/mesos';
import { addResources, isTerminal, subtractResources, type Clock, type Resources, type TaskState } from '@ekiden/model';

export interface FakeTask {
  readonly id: string;
  readonly agent: string;
  readonly info: TaskInfo;
  state: TaskState;
  /** The status that is sent until it is acknowledged. */
  open: TaskStatus[];
}

interface Agent {
  readonly id: string;
  free: Resources;
}

const LATENCY_MS = 1;

export class FakeMaster implements SchedulerTransport {
  readonly tasks = new Map<string, FakeTask>();
  readonly agents = new Map<string, Agent>();
  readonly calls: SchedulerCall[] = [];
  /** Every task ever launched, in order. */
  readonly launched: string[] = [];
  /** `false`: launched tasks stay in staging until the test moves them. */
  autoRun = true;
  /** What is attached to the RUNNING status of new tasks. */
  statusData: ((info: TaskInfo) => EkidenStatusData) | null = null;
  /** What happens to the next ACCEPTs, one each. */
  readonly acceptFaults: ('lose-request' | 'lose-answer' | 'refuse')[] = [];
  /** KILLs are ignored. */
  deafToKills = false;
  private stream: { readonly id: string; readonly sink: SubscriptionSink } | null = null;
  private readonly offers = new Map<string, { readonly agent: string; readonly resources: Resources }>();
  private isSuppressed = true;
  private readonly filtered = new Set<string>();
  private count = 0;
  isUp = true;

  constructor(private readonly clock: Clock) {}

  addAgent(id: string, resources: Resources): void {
    this.agents.set(id, { id, free: resources });
    this.offer();
  }

  alive(): FakeTask[] {
    return [...this.tasks.values()].filter((task) => !isTerminal(task.state));
  }

  subscribe(call: SubscribeCall, sink: SubscriptionSink): Subscription {
    let isOpen = true;
    const close = (why: string): void => {
      if (!isOpen) return;
      isOpen = false;
      if (this.stream?.sink === sink) this.dropStream();
      sink.closed(why);
    };
    this.clock.after(LATENCY_MS, () => {
      if (!isOpen) return;
      if (!this.isUp) return close('connection refused');
      this.stream?.sink.event({ type: 'ERROR', error: { message: 'Framework failed over' } });
      this.dropStream();
      const id = `stream-${++this.count}`;
      this.stream = { id, sink };
      this.isSuppressed = (call.subscribe.suppressed_roles ?? []).length > 0;
      sink.opened(id);
      const frameworkId = call.framework_id ?? { value: 'framework-1' };
      const master_info = { id: 'm', ip: 0, port: 5050, hostname: 'master', capabilities: [{ type: EKIDEN_TASK_DATA }, { type: EKIDEN_BATCH_ACKNOWLEDGE }] };
      sink.event({ type: 'SUBSCRIBED', subscribed: { framework_id: frameworkId, heartbeat_interval_seconds: 15, master_info } });
      for (const task of this.tasks.values()) for (const status of task.open.slice(0, 1)) sink.event({ type: 'UPDATE', update: { status } });
      this.beat(id);
      this.offer();
    });
    return { close: () => close('closed') };
  }

  /** The connection breaks, for both sides. */
  cut(): void {
    const sink = this.stream?.sink;
    this.dropStream();
    sink?.closed('cut');
  }

  call(streamId: string, call: Exclude<SchedulerCall, SubscribeCall>): Promise<CallAnswer> {
    this.calls.push(call);
    return new Promise((resolve) => {
      this.clock.after(LATENCY_MS, () => {
        if (!this.isUp) return resolve({ status: 0, text: 'connection refused' });
        const fault = call.type === 'ACCEPT' ? this.acceptFaults.shift() : undefined;
        if (fault === 'lose-request') return resolve({ status: 0, text: 'lost' });
        if (fault === 'refuse' || this.stream?.id !== streamId) return resolve({ status: 400, text: 'refused' });
        this.handle(call);
        this.clock.after(LATENCY_MS, () => resolve(fault === 'lose-answer' ? { status: 0, text: 'lost' } : { status: 202, text: '' }));
      });
    });
  }

  /** A task changes by itself: it crashes, gets healthy, ends. */
  move(taskId: string, state: TaskState, data: EkidenStatusData | null = null): void {
    const task = this.tasks.get(taskId);
    if (task === undefined || isTerminal(task.state)) return;
    task.state = state;
    if (isTerminal(state)) this.release(task);
    this.report(task, { message: '', ...(data === null ? {} : { data: encodeData(data) }) });
  }

  /** The newest status once more, as when an acknowledgement was lost. */
  repeat(taskId: string): void {
    const task = this.tasks.get(taskId);
    if (task !== undefined) this.report(task, {}, false);
  }

  /** Not reliable: without a uuid. */
  say(status: TaskStatus): void {
    this.stream?.sink.event({ type: 'UPDATE', update: { status } });
  }

  /** Its agent has registered without it: nobody but the master says so, and it says it once. */
  drop(taskId: string): void {
    const task = this.tasks.get(taskId);
    if (task === undefined) throw new Error(`there is no task ${taskId}`);
    this.tasks.delete(taskId);
    this.say({ task_id: { value: taskId }, agent_id: { value: task.agent }, state: 'TASK_DROPPED', reason: 'REASON_RECONCILIATION', source: 'SOURCE_MASTER' });
    this.release(task);
  }

  private handle(call: Exclude<SchedulerCall, SubscribeCall>): void {
    switch (call.type) {
      case 'ACCEPT':
        return this.accept(call);
      case 'DECLINE':
        for (const { value } of call.decline.offer_ids ?? []) {
          const offer = this.offers.get(value);
          this.offers.delete(value);
          if (offer !== undefined) this.filter(offer.agent, call.decline.filters?.refuse_seconds ?? 5);
        }
        return;
      case 'REVIVE':
        this.isSuppressed = false;
        this.filtered.clear();
        return this.offer();
      case 'SUPPRESS':
        this.isSuppressed = true;
        return;
      case 'KILL':
        return this.kill(call.kill.task_id.value, call.kill.agent_id?.value ?? '');
      case 'ACKNOWLEDGE':
        return this.acknowledge(call.acknowledge.task_id.value, call.acknowledge.uuid);
      case EKIDEN_BATCH_ACKNOWLEDGE:
        for (const { task_id, uuid } of call.batch_acknowledge.acknowledgements) this.acknowledge(task_id.value, uuid);
        return;
      case 'RECONCILE': {
        const asked = call.reconcile.tasks ?? [];
        const ids =
          asked.length > 0
            ? asked.map((task) => ({ id: task.task_id.value, agent: task.agent_id?.value ?? '' }))
            : this.alive().map((task) => ({ id: task.id, agent: task.agent }));
        for (const { id, agent } of ids) this.reconcile(id, agent);
        return;
      }
      case 'TEARDOWN':
      case 'SHUTDOWN':
      case 'MESSAGE':
      case 'REQUEST':
      case 'UPDATE_FRAMEWORK':
      case EKIDEN_RESIZE:
        return; // The core makes none of them.
    }
  }

  private accept(call: Extract<SchedulerCall, { type: 'ACCEPT' }>): void {
    const infos = (call.accept.operations ?? []).flatMap((operation) => (operation.type === 'LAUNCH' ? (operation.launch.task_infos ?? []) : []));
    const offerId = call.accept.offer_ids?.[0]?.value ?? '';
    const offer = this.offers.get(offerId);
    this.offers.delete(offerId);
    for (const info of infos) {
      const id = info.task_id.value;
      if (offer === undefined) {
        this.say({ task_id: { value: id }, state: 'TASK_DROPPED', reason: 'REASON_INVALID_OFFERS', message: 'Task launched with invalid offers' });
        continue;
      }
      if (this.tasks.has(id)) throw new Error(`task ${id} was launched twice`);
      const agent = this.agents.get(offer.agent);
      if (agent !== undefined) agent.free = subtractResources(agent.free, resourcesToModel(info.resources));
      const task: FakeTask = { id, agent: offer.agent, info, state: 'TASK_STAGING', open: [] };
      this.tasks.set(id, task);
      this.launched.push(id);
      if (this.autoRun) {
        const data = this.statusData?.(info) ?? null;
        this.clock.after(LATENCY_MS, () => this.move(id, 'TASK_RUNNING', data));
      }
    }
    if (offer !== undefined) this.filter(offer.agent, call.accept.filters?.refuse_seconds ?? 5);
  }

  /** Offers the agent again when the filter has run out; a revive may come first. */
  private filter(agent: string, seconds: number): void {
    if (seconds > 0) this.filtered.add(agent);
    this.clock.after(seconds * 1000, () => {
      this.filtered.delete(agent);
      this.offer();
    });
  }

  private kill(id: string, agent: string): void {
    if (this.deafToKills) return;
    const task = this.tasks.get(id);
    if (task === undefined) return this.reconcile(id, agent);
    this.clock.after(LATENCY_MS, () => this.move(id, 'TASK_KILLED'));
  }

  private reconcile(id: string, agent: string): void {
    const task = this.tasks.get(id);
    const known = task !== undefined && (!isTerminal(task.state) || task.open.length > 0);
    const state = known ? task.state : this.agents.has(agent) ? 'TASK_GONE' : 'TASK_UNKNOWN';
    this.say({ task_id: { value: id }, agent_id: { value: agent }, state, reason: 'REASON_RECONCILIATION', source: 'SOURCE_MASTER' });
  }

  private acknowledge(id: string, uuid: string): void {
    const task = this.tasks.get(id);
    if (task === undefined || task.open[0]?.uuid !== uuid) return;
    task.open.shift();
    const [next] = task.open;
    if (next !== undefined) this.stream?.sink.event({ type: 'UPDATE', update: { status: next } });
  }

  private report(task: FakeTask, more: Partial<TaskStatus>, isNew = true): void {
    const uuid = Buffer.from(`${task.id}${task.state}${++this.count}`.slice(-16).padStart(16)).toString('base64');
    const status: TaskStatus = { task_id: { value: task.id }, agent_id: { value: task.agent }, state: task.state, source: 'SOURCE_EXECUTOR', uuid, ...more };
    if (isNew) task.open.push(status);
    if (!isNew || task.open.length === 1) this.stream?.sink.event({ type: 'UPDATE', update: { status } });
  }

  private release(task: FakeTask): void {
    const agent = this.agents.get(task.agent);
    if (agent === undefined) return;
    agent.free = addResources(agent.free, resourcesToModel(task.info.resources));
    this.filtered.delete(task.agent);
    this.clock.after(0, () => this.offer());
  }

  private offer(): void {
    if (this.stream === null || this.isSuppressed) return;
    const taken = new Set([...this.offers.values()].map((offer) => offer.agent));
    const offers = [...this.agents.values()].filter((agent) => !taken.has(agent.id) && !this.filtered.has(agent.id) && agent.free.cpusMilli > 0);
    if (offers.length === 0) return;
    const wire = offers.map((agent) => {
      const id = `offer-${++this.count}`;
      this.offers.set(id, { agent: agent.id, resources: agent.free });
      return {
        id: { value: id },
        framework_id: { value: 'framework-1' },
        agent_id: { value: agent.id },
        hostname: `host-${agent.id}`,
        resources: resourcesToWire(agent.free, '*'),
        allocation_info: { role: '*' },
      };
    });
    const { sink } = this.stream;
    this.clock.after(LATENCY_MS, () => this.stream?.sink === sink && sink.event({ type: 'OFFERS', offers: { offers: wire } }));
  }

  private beat(id: string): void {
    this.clock.after(15_000, () => {
      if (this.stream?.id !== id) return;
      this.stream.sink.event({ type: 'HEARTBEAT' });
      this.beat(id);
    });
  }

  private dropStream(): void {
    this.stream = null;
    this.offers.clear();
    this.filtered.clear();
  }
}
