/**
 * Drives what is towards what should be: plans every app that was touched, records the plan, moves deployments on.
 *
 * It ends each batch of the ledger (`follow`), so that what follows from a change is committed with it. Between changes
 * it is woken by time: one timer an app for the earliest moment that matters to it, and a slow sweep over all apps, a
 * slice at a time, in case a wake-up was missed. Looking at an app twice does no harm.
 */
import type { AppId, Instant, Timer } from '@ekiden/model';
import { liveTask } from '@ekiden/model';
import { nextWakeOf, planApp, withPastMoments, type AppPlan } from '@ekiden/planner';
import { appTerminated } from '@ekiden/marathon-api';
import type { Draft } from '../ledger/draft.js';
import type { Committed, Ledger } from '../ledger/ledger.js';
import type { MasterRules } from '../launch/launch-rule.js';
import { addEvent, stepAndRecord } from '../ledger/record-step.js';
import type { StateReader } from '../ledger/paas-state.js';
import type { PaasPorts } from '../paas-api.js';
import { commitPlan } from './commit-plan.js';
import { DeploymentLoop } from './deployment-loop.js';
import { activeDeployment, readAppView } from './read-snapshot.js';

/** Apps planned in one batch; the others come in the next. */
const MAX_APPS_PER_BATCH = 200;
/** Times that a batch may begin new steps and plan again. */
const MAX_ROUNDS_PER_BATCH = 50;
/** Times that one app's plan may call for another at once. */
const MAX_PLANS_IN_A_ROW = 4;
const SWEEP_SLICES = 10;

export class ReconcileLoop {
  readonly deployments: DeploymentLoop;
  private readonly timers = new Map<AppId, { readonly at: Instant; readonly timer: Timer }>();
  private readonly waiting = new Set<AppId>();
  private sweepTimer: Timer | null = null;
  private sweepQueue: AppId[] = [];
  private isStopped = false;

  constructor(
    private readonly ports: PaasPorts,
    private readonly ledger: () => Ledger,
    private readonly rules: () => MasterRules,
  ) {
    this.deployments = new DeploymentLoop({ config: ports.config, ids: ports.ids }, ports.log);
  }

  start(): void {
    const { state } = this.ledger();
    this.wake([...state.appIds(), ...state.appsWithInstances()]);
    this.armSweep();
  }

  stop(): void {
    this.isStopped = true;
    this.sweepTimer?.cancel();
    for (const { timer } of this.timers.values()) timer.cancel();
    this.timers.clear();
  }

  sizes(): { readonly appTimers: number; readonly appsToLookAt: number; readonly deploymentsWatched: number } {
    return { appTimers: this.timers.size, appsToLookAt: this.waiting.size, deploymentsWatched: this.deployments.watched };
  }

  /** Look at these apps again, soon. */
  wake(apps: Iterable<AppId>): void {
    const isQuiet = this.waiting.size === 0;
    for (const id of apps) this.waiting.add(id);
    if (isQuiet && this.waiting.size > 0) this.look();
  }

  /** The end of each batch of the ledger. */
  follow(draft: Draft): void {
    // What the former target's plan would add or take does not belong to the baselines of a step that begins now: steps begin
    // before any plan, and apps that wait for theirs are planned once nothing else can let it begin.
    const begun = this.beginSteps(draft);
    const touched = [...new Set([...begun, ...draft.touched])];
    const room = Math.max(MAX_APPS_PER_BATCH, begun.length);
    const left = touched.slice(room);
    if (left.length > 0) this.ports.clock.after(0, () => this.wake(left));
    let pending = touched.slice(0, room);
    for (let round = 0; pending.length > 0 && round < MAX_ROUNDS_PER_BATCH; round += 1) {
      const awaiting = this.deployments.awaiting(draft);
      const first = pending.filter((id) => !awaiting.has(id));
      const isLast = first.length === 0;
      for (const id of isLast ? pending : first) this.planOne(draft, id);
      // What has a new target is planned at once: its old plan says nothing about it.
      const again = this.moveDeployments(draft, new Set(pending));
      // A roll-back may have been decided just now: its step, too, begins before any plan.
      if (again.length > 0) this.beginSteps(draft);
      pending = isLast ? again : [...new Set([...again, ...pending.filter((id) => awaiting.has(id))])];
    }
  }

  /** After a commit: timers for the apps that were looked at. */
  committed({ looked, reloadedAfterMs }: Committed): void {
    if (reloadedAfterMs !== null) {
      this.deployments.stoodStill(reloadedAfterMs);
      this.wake(looked);
    }
    for (const id of looked) this.armTimer(id);
  }

  /** Answers the apps that have a new target. */
  private beginSteps(draft: Draft): AppId[] {
    const begun: AppId[] = [];
    for (const row of draft.deployments()) {
      const apps = row.changes.map((change) => change.appId);
      if (!apps.some((id) => draft.touched.has(id))) continue;
      for (const id of apps) this.passTime(draft, id);
      if (this.deployments.beginNext(draft, row.id)) begun.push(...apps);
    }
    return begun;
  }

  private look(): void {
    const apps = [...this.waiting].slice(0, MAX_APPS_PER_BATCH);
    const done = (): void => {
      for (const id of apps) this.waiting.delete(id);
      if (this.waiting.size > 0 && !this.isStopped) this.ports.clock.after(0, () => this.look());
    };
    // Refused: the store is away, and everything is looked at again once it is back.
    void this.ledger()
      .change((draft) => apps.forEach((id) => draft.touch(id)))
      .then(done, done);
  }

  private planOne(draft: Draft, id: AppId): void {
    this.passTime(draft, id);
    for (let attempt = 0; attempt < MAX_PLANS_IN_A_ROW; attempt += 1) {
      const plan = planApp(readAppView(draft, id, draft.now, activeDeployment(draft, id), this.rules()));
      draft.plans.set(id, plan);
      if (plan.steps.length === 0) break;
      commitPlan(draft, id, plan, this.ports.ids);
    }
    const app = draft.app(id);
    if (app === null || app.desiredVersion !== null || app.activeVersion !== null || draft.instances(id).length > 0) return;
    draft.deleteApp(id);
    addEvent(draft, appTerminated(draft.now, id));
  }

  /** What time alone changes: an unreachable instance is replaced or forgotten, an overdue launch is given up. */
  private passTime(draft: Draft, id: AppId): void {
    for (const known of draft.instances(id)) {
      const instance = withPastMoments(known, draft.now);
      if (instance !== known) draft.putInstance(instance);
      const { condition, stop } = instance;
      if (condition.kind === 'unreachable' || condition.kind === 'terminal') {
        const due = condition.kind === 'terminal' ? draft.now : nextWakeOf(instance);
        if (due !== null && due <= draft.now) stepAndRecord(draft, instance, { kind: 'tick' });
      }
      const isLaunching = condition.kind === 'provisioned' || condition.kind === 'staging';
      if (isLaunching && stop === null && condition.since + this.ports.config.launchTimeoutMs <= draft.now) {
        stepAndRecord(draft, instance, { kind: 'stop', reason: 'overdue', drainMs: 0, decommission: false });
      }
    }
  }

  /** Answers the apps that have a new target. */
  private moveDeployments(draft: Draft, apps: ReadonlySet<AppId>): AppId[] {
    const planOf = (id: AppId): AppPlan | null => draft.plans.get(id) ?? this.ledger().plans.get(id) ?? null;
    const again: AppId[] = [];
    for (const row of draft.deployments()) {
      if (!row.changes.some((change) => apps.has(change.appId))) continue;
      if (this.deployments.advance(draft, row.id, planOf)) again.push(...row.changes.map((change) => change.appId));
    }
    return [...new Set(again)];
  }

  private armTimer(id: AppId): void {
    if (this.isStopped) return;
    const at = this.nextWake(this.ledger().state, id);
    const armed = this.timers.get(id);
    if (armed?.at === at) return;
    armed?.timer.cancel();
    this.timers.delete(id);
    if (at === null) return;
    const timer = this.ports.clock.after(Math.max(0, at - this.ports.clock.now()), () => {
      this.timers.delete(id);
      this.wake([id]);
    });
    this.timers.set(id, { at, timer });
  }

  /** The earliest moment, from now on, at which this app has to be looked at again. */
  private nextWake(reader: StateReader, id: AppId): Instant | null {
    const now = this.ports.clock.now();
    let next = Infinity;
    for (const instance of reader.instances(id)) {
      const due = nextWakeOf(instance, now);
      if (due !== null) next = Math.min(next, due);
      const { condition } = instance;
      const isLaunching = liveTask(instance) !== null && (condition.kind === 'provisioned' || condition.kind === 'staging');
      if (isLaunching && instance.stop === null) next = Math.min(next, Math.max(now + 1, condition.since + this.ports.config.launchTimeoutMs));
    }
    const deployment = activeDeployment(reader, id);
    const deadline = deployment === null ? null : this.deployments.deadlineOf(reader, deployment);
    if (deadline !== null) next = Math.min(next, Math.max(now + 1, deadline));
    return next === Infinity ? null : next;
  }

  /** A slice of all apps at each tick, so that a sweep is never felt. */
  private armSweep(): void {
    const pauseMs = Math.max(1, Math.round(this.ports.config.sweepIntervalMs / SWEEP_SLICES));
    this.sweepTimer = this.ports.clock.after(pauseMs, () => {
      if (this.isStopped) return;
      const { state } = this.ledger();
      if (this.sweepQueue.length === 0) this.sweepQueue = [...new Set([...state.appIds(), ...state.appsWithInstances()])];
      const slice = this.sweepQueue.splice(0, Math.max(1, Math.ceil(this.sweepQueue.length / SWEEP_SLICES)));
      this.wake(slice);
      this.armSweep();
    });
  }
}
