/**
 * One app under plans: applies each plan through the instance machine, and ends what is under way in an order of the
 * caller's choosing. After every plan it checks promise 4; it records the peak of the total and the low of what serves.
 */
import { agentId, instanceId, newTaskId, type AppSpec, type Instance, type Instant } from '@ekiden/model';
import { baselineOf, budgetOf, isCounted } from '../src/budget.js';
import { isServing, provingVersionOf } from '../src/health.js';
import { stepInstance, type InstanceInput, type ObservedStatus } from '../src/instance-machine.js';
import { planApp } from '../src/plan-app.js';
import type { AppPlan, AppView, InstanceView } from '../src/view.js';
import { aResult, aRunning, aStatus, aTask, NEW, OLD, T0 } from './an-app.js';

/** What may happen next to one instance. */
export type Happening = 'launch' | 'start' | 'healthy' | 'unhealthy' | 'exhausted' | 'gone' | 'crash' | 'lost' | 'back' | 'resized' | 'refused';

/** Seconds that pass with every happening, so that back-off ends in time. */
const STEP_MS = 10_000;

export interface Start {
  readonly spec: AppSpec;
  readonly old: number;
  /** Old ones beyond the first so many are of unknown health. */
  readonly oldHealthy?: number;
  readonly isResident?: boolean;
  /** The target is of the same config, and of another size. */
  readonly isResize?: boolean;
}

export class RolloutSimulator {
  now: Instant = T0;
  instances: InstanceView[] = [];
  peak = 0;
  low = Number.POSITIVE_INFINITY;
  lastPlan: AppPlan | null = null;
  private readonly rollout: NonNullable<AppView['rollout']>;
  private created = 0;

  constructor(private readonly start: Start) {
    const { spec, old } = start;
    const oldSpec = { ...spec, instances: old, ...(start.isResize === true ? { cpusMilli: spec.cpusMilli * 2 } : {}) };
    for (let index = 0; index < old; index += 1) {
      const healthy = index < (start.oldHealthy ?? old);
      const instance = aRunning(`old-${index}`, healthy ? spec.healthChecks.map(() => aResult(true)) : [], { version: OLD });
      this.instances.push({ instance, spec: oldSpec });
    }
    this.rollout = baselineOf(this.view(null));
  }

  view(rollout: AppView['rollout']): AppView {
    const { spec, isResident, isResize } = this.start;
    const versions = isResize === true ? { configVersion: OLD, sizeVersion: NEW } : { configVersion: NEW };
    const target = { spec, version: NEW, ...versions, isResident: isResident ?? false };
    return { now: this.now, appId: spec.id, target, instances: this.instances, rollout, sentenced: new Set() };
  }

  /** Plans and records once. Throws when a step breaks promise 4. */
  plan(): AppPlan {
    const view = this.view(this.rollout);
    const servingBefore = this.serving();
    const totalBefore = this.total();
    const plan = planApp(view);
    for (const step of plan.steps) {
      if (step.kind === 'schedule') for (let index = 0; index < step.count; index += 1) this.create();
      else if (step.kind === 'resize') this.feed(step.instanceId, step);
      else this.feed(step.instanceId, { kind: 'stop', reason: step.reason, drainMs: 0, decommission: step.kind === 'decommission' });
    }
    this.checkPromise(servingBefore, totalBefore);
    this.measure();
    this.lastPlan = plan;
    return plan;
  }

  /** Everything that may happen now, in a fixed order. */
  happenings(): { readonly id: string; readonly what: Happening }[] {
    return this.instances.flatMap(({ instance, spec }) => {
      const { condition, id } = instance;
      const all: Happening[] = [];
      if (condition.kind === 'scheduled' && condition.notBefore <= this.now) all.push('launch');
      if (condition.kind === 'provisioned') all.push('start');
      if (condition.kind === 'running') {
        if (instance.stop !== null) all.push('gone');
        if (spec.healthChecks.length > 0) all.push('healthy', 'unhealthy', 'exhausted');
        all.push('crash', 'lost');
        if (instance.resize?.refused === null) all.push('resized', 'refused');
      }
      if (condition.kind === 'unreachable') all.push('back');
      return all.map((what) => ({ id, what }));
    });
  }

  happen(id: string, what: Happening): void {
    this.now += STEP_MS;
    const view = this.instances.find((one) => one.instance.id === id);
    if (view === undefined) return;
    const { instance, spec } = view;
    const task = newTaskId(instance.id, instance.incarnation);
    const status = (state: ObservedStatus['state'], changes: Partial<ObservedStatus> = {}): InstanceInput => ({
      kind: 'status',
      status: aStatus(task, state, { at: this.now, ...changes }),
    });
    const checked = (alive: boolean, exhausted: boolean): InstanceInput =>
      status('TASK_RUNNING', { checks: spec.healthChecks.map(() => aResult(alive, exhausted)) });
    switch (what) {
      case 'launch':
        return this.feed(id, {
          kind: 'launch',
          task: aTask(id, instance.incarnation + 1, { agentId: agentId('agent-1'), stagedAt: this.now }),
          ...(this.start.isResize === true ? { version: NEW } : {}),
        });
      case 'start':
        return this.feed(id, status('TASK_RUNNING'));
      case 'healthy':
        return this.feed(id, checked(true, false));
      case 'unhealthy':
        return this.feed(id, checked(false, false));
      case 'exhausted':
        return this.feed(id, checked(false, true));
      case 'gone':
        return this.feed(id, status('TASK_KILLED'));
      case 'crash':
        return this.feed(id, status('TASK_FAILED'));
      case 'lost':
        return this.feed(id, status('TASK_UNREACHABLE'));
      case 'back':
        return this.feed(id, status('TASK_RUNNING'));
      case 'resized':
        return this.feed(id, status('TASK_RUNNING', { resize: { revision: NEW, refused: null } }));
      case 'refused':
        return this.feed(id, status('TASK_RUNNING', { resize: { revision: NEW, refused: 'it holds more' } }));
    }
  }

  tick(): void {
    this.now += STEP_MS;
    for (const { instance } of this.instances) this.feed(instance.id, { kind: 'tick' });
  }

  /** Plans, then lets the first happening of the first listed kind come true, until done. Every new one gets healthy. */
  runInOrder(order: readonly Happening[], maxRounds = 500): void {
    for (let round = 0; round < maxRounds; round += 1) {
      if (this.plan().done) return;
      const next = order.flatMap((kind) => this.happenings().filter((one) => one.what === kind && this.isGood(one))).at(0);
      if (next === undefined) this.now += STEP_MS;
      else this.happen(next.id, next.what);
      this.measure();
    }
    throw new Error(`not done after ${maxRounds} rounds: ${JSON.stringify(this.lastPlan?.waitingFor)}`);
  }

  /** Progress only: an old one of unknown health stays so, and nobody gets healthy twice. */
  isGood({ id, what }: { readonly id: string; readonly what: Happening }): boolean {
    const view = this.instances.find((one) => one.instance.id === id);
    if (view === undefined) return false;
    if (what === 'healthy') return view.instance.version >= NEW && view.instance.stop === null && !isServing(view, null);
    return what === 'launch' || what === 'start' || what === 'gone' || what === 'back' || what === 'resized';
  }

  serving(): number {
    return this.instances.filter((one) => isServing(one, provingVersionOf(this.view(this.rollout)))).length;
  }

  total(): number {
    return this.instances.filter((one) => isCounted(one.instance)).length;
  }

  private checkPromise(servingBefore: number, totalBefore: number): void {
    const { spec, isResident } = this.start;
    const budget = budgetOf(spec.upgrade, spec.instances, { isReplacing: true, isResident: isResident ?? false });
    const floor = Math.min(servingBefore, this.rollout.healthyAtStart, budget.minHealthy);
    if (this.serving() < floor) throw new Error(`${this.serving()} serve, promised were ${floor}`);
    const ceiling = Math.max(totalBefore, budget.maxTotal);
    if (this.total() > ceiling) throw new Error(`${this.total()} exist, promised were at most ${ceiling}`);
  }

  private measure(): void {
    this.peak = Math.max(this.peak, this.total());
    this.low = Math.min(this.low, this.serving());
  }

  private create(): void {
    this.created += 1;
    const instance: Instance = {
      id: instanceId(`new-${this.created}`),
      appId: this.start.spec.id,
      version: NEW,
      goal: 'running',
      incarnation: 0,
      createdAt: this.now,
      condition: { kind: 'scheduled', since: this.now, notBefore: this.now },
      stop: null,
      backoffMs: 0,
    };
    this.instances.push({ instance, spec: this.start.spec });
  }

  private feed(id: string, input: InstanceInput): void {
    const context = { now: this.now, spec: this.start.spec };
    this.instances = this.instances.flatMap((one) => {
      if (one.instance.id !== id) return [one];
      const { instance } = stepInstance(one.instance, input, context);
      return instance === null ? [] : [{ spec: instance.version >= NEW ? this.start.spec : one.spec, instance }];
    });
  }
}
