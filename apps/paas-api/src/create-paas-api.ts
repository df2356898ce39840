/**
 * The working core of paas-api, built from its ports and nothing else: what production runs is what the simulator runs.
 *
 *   changes (desired/) ──► ledger/ ◄── statuses (observe/) ◄──┐
 *                             │ each batch ends with plans (reconcile/)
 *                             ▼ committed                     │ master, through libs/framework-sdk
 *                    offers and kills (launch/) ──────────────┘
 *                    events, reads (events/, read-view.ts)
 *
 * Everything below awaits ports only. It leads, loads, then subscribes; when the lead is lost, it stops speaking.
 */
import { createSchedulerClient, type Connection, type SchedulerClient } from '@ekiden/framework-sdk';
import type { FrameworkInfo, SchedulerEvent } from '@ekiden/mesos';
import { schedulerDisconnected, schedulerRegistered, schedulerReregistered } from '@ekiden/marathon-api';
import { agentId, EkidenError, offerId, taskId, type AppId, type Timer } from '@ekiden/model';
import type { DesireContext } from './desired/apply-targets.js';
import { cancelDeployment } from './desired/cancel-deployment.js';
import { changeApps, previewApps } from './desired/change-apps.js';
import { killAppTasks, killTasks } from './desired/kill-tasks.js';
import { deleteApp, restartApp, rollbackApp } from './desired/replace-app.js';
import { resetDelay } from './desired/reset-delay.js';
import { EventFeed } from './events/event-feed.js';
import { KillLoop } from './launch/kill-loop.js';
import { launchRuleOf, NO_RULES, rulesOf, withLaunchWarnings } from './launch/launch-rule.js';
import { OfferLoop } from './launch/offer-loop.js';
import { ResizeLoop } from './launch/resize-loop.js';
import { Draft } from './ledger/draft.js';
import { Ledger, type Committed } from './ledger/ledger.js';
import { addEvent } from './ledger/record-step.js';
import { Reconciliation } from './observe/reconciliation.js';
import { recordStatus } from './observe/record-status.js';
import type { PaasApi, PaasPorts, PaasView } from './paas-api.js';
import { createView } from './read-view.js';
import { ReconcileLoop } from './reconcile/reconcile-loop.js';

/** How often the lead is confirmed while nothing is written. */
const CONFIRM_INTERVAL_MS = 5_000;
/** Tries to record the framework's id before its stream is given up. */
const RECORD_ID_RETRY_MS = 500;

/** Builds it; nothing happens before `start`. */
export function createPaasApi(ports: PaasPorts): PaasApi {
  const core = new Core(ports);
  const { ledger, context } = core;
  return {
    start: () => core.start(),
    stop: () => core.stop('stopped'),
    get isLeading() {
      return core.epoch !== null;
    },
    get isConnected() {
      return core.client.connection !== null;
    },
    stopped: core.stopped,
    sizes: () => core.sizes(),
    view: core.view,
    changeApps: async (changes, options) =>
      withLaunchWarnings(await ledger.change((draft) => changeApps(draft, changes, options, context)), launchRuleOf(core.client.connection)),
    previewApps: (changes) => previewApps(new Draft(ledger.state, ports.clock.now()), changes, context),
    rollbackApp: (id, version, options) => ledger.change((draft) => rollbackApp(draft, id, version, options, context)),
    restartApp: (id, options) => ledger.change((draft) => restartApp(draft, id, options, context)),
    deleteApp: (id, options) => ledger.change((draft) => deleteApp(draft, id, options, context)),
    killTasks: (ids, options) => ledger.change((draft) => killTasks(draft, ids, options, context)),
    killAppTasks: (id, host, options) => ledger.change((draft) => killAppTasks(draft, id, host, options, context)),
    cancelDeployment: (id, { force }) => ledger.change((draft) => cancelDeployment(draft, id, force, context)),
    resetDelay: (id) => ledger.change((draft) => resetDelay(draft, id)),
    deploymentHistory: (filter) => ports.store.deploymentHistory(filter),
    onEvent: (listener) => core.feed.onEvent(listener),
    onChange: (listener) => core.feed.onChange(listener),
  };
}

class Core {
  epoch: number | null = null;
  readonly context: DesireContext;
  readonly feed = new EventFeed();
  readonly ledger: Ledger;
  readonly client: SchedulerClient;
  readonly view: PaasView;
  readonly stopped: Promise<{ readonly why: string }>;
  private resolveStopped: (end: { readonly why: string }) => void = () => undefined;
  private readonly reconcile: ReconcileLoop;
  private readonly offers: OfferLoop;
  private readonly kills: KillLoop;
  private readonly resizes: ResizeLoop;
  private readonly reconciliation: Reconciliation;
  private confirmTimer: Timer | null = null;
  private hasEnded = false;
  private hasRegistered = false;
  /** Roles for which offers are asked: the default one and those of apps. Only ever more of them. */
  private readonly roles: Set<string>;
  /** Of the last master: another one's may let go what was held, or hold what was not. */
  private lastRules = NO_RULES;

  constructor(private readonly ports: PaasPorts) {
    this.context = { config: ports.config, ids: ports.ids };
    this.roles = new Set([ports.config.role]);
    this.stopped = new Promise((resolve) => (this.resolveStopped = resolve));
    const client = (): SchedulerClient => this.client;
    this.reconcile = new ReconcileLoop(
      ports,
      () => this.ledger,
      () => rulesOf(this.client.connection),
    );
    this.ledger = new Ledger({
      clock: ports.clock,
      log: ports.log,
      store: ports.store,
      follow: (draft) => {
        this.reconcile.follow(draft);
        this.offers.foresee(draft);
      },
      lost: (why) => void this.stop(why),
    });
    this.offers = new OfferLoop(ports, this.ledger, client);
    this.resizes = new ResizeLoop(ports, this.ledger, client, this.offers);
    this.kills = new KillLoop(ports, this.ledger, client);
    this.reconciliation = new Reconciliation(ports, this.ledger, client);
    this.client = createSchedulerClient(ports, ports.transport, {
      frameworkInfo: () => ({ info: this.frameworkInfo(), suppressedRoles: [...this.roles] }),
      connected: (connection) => this.connected(connection),
      disconnected: (why) => this.disconnected(why),
      event: (event, connection) => this.event(event, connection),
      removed: () => ports.log.error('the master has removed this framework: its tasks are gone, subscribing as a new one', {}),
    });
    this.view = createView(this.ledger, this.offers.wants, this.resizes, ports.clock);
    this.ledger.onCommitted((committed) => this.committed(committed));
  }

  async start(): Promise<void> {
    const { store, config, clock, log } = this.ports;
    const { epoch } = await store.lead(config.hostname, config.address);
    if (this.hasEnded) return store.release(epoch);
    if (!(await this.ledger.open(epoch))) return store.release(epoch);
    this.epoch = epoch;
    this.learnRoles(this.ledger.state.appIds());
    log.info('leading', { epoch, apps: [...this.ledger.state.appIds()].length });
    this.confirmTimer = clock.after(CONFIRM_INTERVAL_MS, () => this.confirm());
    this.reconcile.start();
    this.client.start(this.ledger.state.frameworkId);
  }

  async stop(why: string): Promise<void> {
    if (this.hasEnded) return;
    this.hasEnded = true;
    const { epoch } = this;
    this.epoch = null;
    this.confirmTimer?.cancel();
    this.client.stop();
    for (const part of [this.reconcile, this.resizes, this.offers, this.kills, this.reconciliation]) part.stop();
    this.ledger.close();
    this.ports.log.info('not leading any more', { why });
    try {
      if (epoch !== null) await this.ports.store.release(epoch);
    } catch (error) {
      this.ports.log.debug('the lead could not be released', { error: String(error) });
    }
    this.resolveStopped({ why });
  }

  sizes(): Readonly<Record<string, number>> {
    const parts = [this.ledger, this.reconcile, this.offers, this.resizes, this.kills, this.reconciliation];
    return Object.assign({}, ...parts.map((part) => part.sizes()));
  }

  /** After each commit. Who wants what is known before anybody is told. */
  private committed(committed: Committed): void {
    if (this.learnRoles(committed.changed)) this.announceRoles();
    this.reconcile.committed(committed);
    this.resizes.committed(committed);
    this.offers.committed(committed);
    this.kills.committed(committed);
    this.reconciliation.committed(committed);
    this.feed.committed(committed);
    // Statuses of the lost batch were not recorded, and the master's own do not come again: ask.
    if (committed.reloadedAfterMs !== null && this.client.connection !== null) this.reconciliation.connected();
  }

  private connected(connection: Connection): void {
    this.ports.log.info('subscribed', { frameworkId: connection.frameworkId, master: connection.master?.hostname });
    this.recordRegistration(connection);
    this.offers.connected();
    this.resizes.connected();
    this.ruleMayHaveChanged(connection);
    this.kills.connected();
    this.reconciliation.connected();
  }

  private ruleMayHaveChanged(connection: Connection): void {
    const { launch, resizeRefusal } = rulesOf(connection);
    if (launch === this.lastRules.launch && resizeRefusal === this.lastRules.resizeRefusal) return;
    this.lastRules = { launch, resizeRefusal };
    const { state } = this.ledger;
    this.reconcile.wake([...state.appIds(), ...state.appsWithInstances()]);
  }

  /** The id is recorded before the first launch: rounds check it (decision 4). */
  private recordRegistration(connection: Connection): void {
    const again = this.hasRegistered;
    const master = connection.master?.hostname ?? '';
    void this.ledger
      .change((draft) => {
        if (draft.frameworkId !== connection.frameworkId) draft.setFrameworkId(connection.frameworkId);
        addEvent(draft, again ? schedulerReregistered(draft.now, master) : schedulerRegistered(draft.now, connection.frameworkId, master));
        this.hasRegistered = true;
      })
      .catch((error: unknown) => {
        this.ports.log.warn('the subscription was not recorded', { error: String(error) });
        if (this.client.connection !== connection) return;
        this.ports.clock.after(RECORD_ID_RETRY_MS, () => {
          if (this.client.connection === connection) this.recordRegistration(connection);
        });
      });
  }

  private disconnected(why: string): void {
    this.ports.log.warn('the subscription was lost', { why });
    this.offers.disconnected();
    this.resizes.disconnected();
    this.reconciliation.disconnected();
    void this.ledger
      .change((draft) => addEvent(draft, schedulerDisconnected(draft.now)))
      .catch((error: unknown) => this.ports.log.debug('an event was not recorded', { error: String(error) }));
    // Perhaps somebody else leads and has subscribed in our place.
    this.confirm();
  }

  private event(event: SchedulerEvent, connection: Connection): void {
    switch (event.type) {
      case 'OFFERS':
        return this.offers.offers(event.offers.offers ?? []);
      case 'RESCIND':
        return this.offers.rescind(offerId(event.rescind.offer_id.value));
      case 'UPDATE': {
        const { status } = event.update;
        this.reconciliation.answered(taskId(status.task_id.value), status.state);
        const { log, clock, config } = this.ports;
        const { launchTimeoutMs } = config;
        const { ledger, offers, kills } = this;
        const observe = { log, clock, launchTimeoutMs, ledger, client: () => this.client, offers, kills };
        return void recordStatus(observe, status, connection);
      }
      case 'FAILURE': {
        const { agent_id: agent, executor_id: executor } = event.failure;
        this.ports.log.info('an agent or executor failed', { agentId: agent?.value, executorId: executor?.value });
        if (agent !== undefined && executor === undefined) this.reconciliation.agentFailed(agentId(agent.value));
        return;
      }
      case 'MESSAGE':
      case 'ERROR':
      case 'HEARTBEAT':
      case 'SUBSCRIBED':
        return;
    }
  }

  /** Renews the lease; finds out when nobody is written to that somebody else leads. */
  private confirm(): void {
    const { epoch } = this;
    if (epoch === null) return;
    this.confirmTimer?.cancel();
    this.confirmTimer = this.ports.clock.after(CONFIRM_INTERVAL_MS, () => this.confirm());
    this.ports.store.confirm(epoch).catch((error: unknown) => {
      if (error instanceof EkidenError && error.code === 'stale-leader') return this.stop(error.message);
      this.ports.log.debug('the lead could not be confirmed', { error: String(error) });
    });
  }

  /** True when an app has a role that was not asked for yet. */
  private learnRoles(apps: Iterable<AppId>): boolean {
    const before = this.roles.size;
    for (const id of apps) {
      const role = this.ledger.state.desired(id)?.spec.role;
      if (role !== undefined) this.roles.add(role);
    }
    return this.roles.size > before;
  }

  private announceRoles(): void {
    const { connection } = this.client;
    if (connection === null) return; // The next subscription has them.
    const framework_info = { ...this.frameworkInfo(), id: { value: connection.frameworkId } };
    const suppressed_roles = this.offers.isSuppressed ? [...this.roles] : [];
    void this.client.call({ type: 'UPDATE_FRAMEWORK', update_framework: { framework_info, suppressed_roles } }).then((answer) => {
      const isTaken = answer.status >= 200 && answer.status < 300;
      if (!isTaken && this.client.connection === connection) this.client.reconnect(`new roles were not taken: ${answer.status} ${answer.text}`);
    });
  }

  private frameworkInfo(): FrameworkInfo {
    const { config } = this.ports;
    return {
      user: config.user,
      name: config.frameworkName,
      failover_timeout: config.failoverTimeoutMs / 1000,
      checkpoint: true,
      roles: [...this.roles],
      hostname: config.hostname,
      webui_url: `http://${config.address}`,
      capabilities: ['PARTITION_AWARE', 'TASK_KILLING_STATE', 'MULTI_ROLE', 'RESERVATION_REFINEMENT', 'REGION_AWARE', 'GPU_RESOURCES'].map((type) => ({
        type,
      })),
    };
  }
}
