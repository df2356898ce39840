/** Each invariant can fail: the smallest events that break it, and what it says. */
import { appId, type Instance, type TaskId } from '@ekiden/model';
import type { Master } from '../../apps/master/src/master-ports.js';
import { MemoryPaasDatabase } from '../../apps/paas-api/src/store/memory-store.js';
import type { DeploymentRow, Write } from '../../apps/paas-api/src/store/paas-store.js';
import { aSpec } from '../../libs/planner/test/an-app.js';
import { INVARIANTS } from './invariants.js';
import { bareScene } from './invariants/bare-scene.js';
import { Judge } from './invariants/judge.js';
import type { HostScene, Scene } from './invariants/sight.js';
import { rowsBefore } from './world/rows-before.js';
import type { SimEvent } from './world/sim-event.js';

const NOW = 1_000_000;
const WEB = appId('/shop/web');
const ONE = 'shop_web.instance-1' as Instance['id'];
const TASK = `${ONE}._app.1` as TaskId;

const task = (taskId = TASK, more = {}) =>
  ({
    taskId,
    agentId: 'S0',
    hostname: 'h',
    agentAddress: '',
    attributes: {},
    region: null,
    zone: null,
    ports: [],
    streamId: 's1',
    stagedAt: 0,
    ...more,
  }) as never;
const running = (more: Partial<Instance> = {}, id = ONE): Instance => ({
  id,
  appId: WEB,
  version: 1,
  goal: 'running',
  incarnation: 1,
  createdAt: 0,
  condition: { kind: 'running', since: 1, task: task(`${id}._app.1` as TaskId), checks: [], readiness: null, ipAddresses: [] },
  stop: null,
  backoffMs: 0,
  ...more,
});
const scheduled = (more: Partial<Instance> = {}): Instance => running({ condition: { kind: 'scheduled', since: 0, notBefore: 0 }, ...more });
const stop = (reason: string, killAt = 0) => ({ since: 0, killAt, reason }) as Instance['stop'];
const put = (row: Instance): Write => ({ kind: 'put-instance', row });
const status = (state: string, more = {}) => ({ task_id: { value: TASK }, state, uuid: 'u1', ...more }) as never;
const update = (by: string, state: string, more = {}): SimEvent => ({
  kind: 'stream-got', by, streamId: 's1', event: { type: 'UPDATE', update: { status: status(state, more) } },
}); // prettier-ignore
const deployment = (more: Partial<DeploymentRow> = {}): DeploymentRow =>
  ({
    id: 'd1', version: 1, state: 'running', reason: null, steps: [[{ action: 'ScaleApplication', appId: WEB }]], currentStep: 0,
    changes: [{ appId: WEB, from: 1, to: 1, baseline: { healthyAtStart: 1, totalAtStart: 1 } }],
    sentenced: [], startedAt: 0, progressAt: 0, stuckSince: null, endedAt: null, rollbackOf: null, ...more,
  }) as DeploymentRow; // prettier-ignore
const process = (taskId: string = TASK, exit: unknown = null) =>
  ({ taskId, spec: { limits: { cpusMilli: 100, memMib: 10 } }, size: { cpusMilli: 100, memMib: 10 }, pid: 1, command: 'run', exit, sickUntil: 0 }) as never;
const IN_IMAGE = { container: { kind: 'DOCKER', image: 'web:1', forcePullImage: false, isPrivileged: false, volumes: [] } };
const inImage = (registryDigest: string) => ({ ...(process() as object), spec: { container: { image: { registryDigest } } } }) as never;
const launched = (id: string, imageDigest?: string): Instance =>
  running(
    { condition: { kind: 'provisioned', since: 1, task: task(`${id}._app.1` as TaskId, imageDigest === undefined ? {} : { imageDigest }) } },
    id as never,
  );
const master = (books: unknown = null): Master =>
  ({ state: { books: () => books, agents: () => [{ agentId: 'S0' }], sizes: () => ({ offers: 99 }) } }) as never;
const held = (cpusMilli: number, ports: readonly { begin: number; end: number }[] = []) => ({ cpusMilli, memMib: 0, diskMib: 0, gpus: 0, ports });
const books = (more = {}) => ({ isConnected: true, total: held(1000), allocated: held(0), offered: held(0), free: held(1000), tasks: [], offers: [], ...more });

/** A stage for one invariant. */
class Stage {
  readonly database = new MemoryPaasDatabase();
  readonly hosts: HostScene[] = [];
  scene: Scene = { ...bare(this.database), hosts: this.hosts };
  private judge: Judge | null = null;
  private time = NOW;
  private timers: (() => void)[] = [];

  constructor(private readonly id: string) {
    this.version({});
    this.database.apps.set(WEB, { id: WEB, generation: 1, desiredVersion: 1, activeVersion: 1 });
  }

  version(spec: object, version = 1): void {
    const rows = this.database.versions.get(WEB) ?? new Map();
    this.database.versions.set(
      WEB,
      rows.set(version, { appId: WEB, version, configVersion: 1, scalingVersion: 1, spec: aSpec({ instances: 1, ...spec }), definition: {} }),
    );
  }

  host(alive: readonly unknown[], more: Partial<HostScene> = {}): void {
    const machine = { alive: () => alive as never, agentRecord: () => ({ masterEpoch: 2 }), checkpointed: () => ['left'], disk: { trouble: null } };
    const agent = { tasks: () => [], view: () => ({ registered: true }), sizes: () => ({ killTimers: 1 }) } as never;
    this.hosts.push({ name: 'h', resources: held(150) as never, process: {}, agent, machine, ...more });
  }

  /** Master, agent and paas-api are there and connected; what time brings comes by `pass`. */
  good(view: object = {}, of: unknown = books()): this {
    const clock = { now: () => this.time, after: (_ms: number, wake: () => void) => void this.timers.push(wake) };
    const api = { isLeading: true, isConnected: true, view: { deployments: () => [], queue: () => [], app: () => ({}), plan: () => null, ...view } };
    this.scene = { ...this.scene, clock, hasMaster: true, master: master(of), hasApi: true, api: api as never, apiName: 'paas-api#1' };
    this.host([]);
    return this.tell({ kind: 'master-sent', host: 'h', wire: 1, master: this.scene.master, message: { type: 'registered', agentId: 'S0' } as never });
  }

  /** A connection of its one host; before everything else. */
  wire(silentMs = 0): this {
    const master = (): Master => this.scene.master;
    const wire = { by: 'h', number: 1, isTroubled: false, isOpenAt: () => true, silentMs: () => silentMs, get master() { return master(); } }; // prettier-ignore
    this.scene = { ...this.scene, network: { isTroubled: () => false, wires: [wire] } };
    return this;
  }

  /** So many timers' worth of time. */
  pass(times: number, ms: number): this {
    for (let i = 0; i < times; i++) {
      this.time += ms;
      for (const wake of this.timers.splice(0)) wake();
    }
    return this;
  }

  get judged(): Judge {
    return (this.judge ??= new Judge(
      this.scene,
      INVARIANTS.filter((one) => one.id === this.id),
    ));
  }

  tell(...events: readonly SimEvent[]): this {
    for (const event of events) this.judged.see(event);
    return this;
  }

  commit(writes: readonly Write[], more: { by?: string; epoch?: number } = {}): this {
    const { judged } = this;
    const before = rowsBefore(this.database, writes);
    for (const write of writes) {
      if (write.kind === 'put-instance') this.database.instances.set(write.row.id, write.row);
      else if (write.kind === 'delete-instance') this.database.instances.delete(write.id);
      else if (write.kind === 'put-app') this.database.apps.set(write.row.id, write.row);
      else if (write.kind === 'put-deployment') this.database.deployments.set(write.row.id, write.row);
    }
    judged.see({ kind: 'committed', by: 'paas-api#1', epoch: 1, ...more, writes, before });
    return this;
  }
}

const bare = (database: MemoryPaasDatabase): Scene => {
  const { clock, paasDatabase, masterDatabase, apiName, hasExtensions, areCallsSafe, isStoreAway, network, limits } = bareScene(database, () => NOW);
  const none = {} as never;
  return { clock, hosts: [], paasDatabase, masterDatabase, hasMaster: false, master: none, hasApi: false, api: none, apiName, hasExtensions, areCallsSafe, isStoreAway, network, limits }; // prettier-ignore
};
const started = (taskId: string = TASK, host = 'h'): SimEvent => ({ kind: 'process-started', host, process: process(taskId) });
const ended = (by: 'agent' | 'fate', exit: unknown): SimEvent => ({ kind: 'process-ended', host: 'h', process: process(TASK, exit), by });
const call = (call: object, by = 'paas-api#1'): SimEvent => ({
  kind: 'call-sent',
  by,
  streamId: 's1',
  call: { framework_id: { value: 'f' }, ...call } as never,
});
const answered = (method: string, outcome: object, args: readonly unknown[] = []): SimEvent =>
  ({ kind: 'answered', request: { number: 1, by: 'paas-api#1', method, apps: [WEB], args }, outcome }) as never;
const event = (seq: number): Write => ({ kind: 'add-event', row: { seq, type: 'x', at: 0, payload: {} } });
const launchCall = { type: 'ACCEPT', accept: { offer_ids: [{ value: 'o1' }], operations: [{ type: 'LAUNCH', launch: { task_infos: [{ task_id: { value: TASK }, agent_id: { value: 'S0' } }] } }] } }; // prettier-ignore

const CASES: readonly (readonly [string, (stage: Stage) => unknown, RegExp])[] = [
  ['1a', (s) => s.tell(answered('deleteApp', { kind: 'done', value: { deploymentId: 'd9' } })), /deployment d9, the database has none/],
  ['1c', (s) => s.commit([{ kind: 'put-app', row: { id: WEB, generation: 2, desiredVersion: 2, activeVersion: 1 } }]), /nobody had asked/],
  ['1d', (s) => s.commit([event(1)], { epoch: 2 }).commit([event(2)], { epoch: 1 }), /epoch 1 committed after epoch 2/],
  ['1e', (s) => s.commit([event(1)]).commit([event(3)]), /event 3 after 1: expected 2/],
  ['2a', (s) => s.tell(started()), /was started on h, and was never recorded/],
  ['2b', (s) => s.tell(started(), started(TASK, 'h2')), /had been started on h before/],
  ['2c', (s) => s.tell(started(), started(`${ONE}._app.2`)), /of the same instance runs/],
  ['2d', (s) => s.commit([put(running())]).commit([put(scheduled())]).tell(started()), /after it had been recorded as over/],
  ['3a', (s) => (s.host([process(), process(`${ONE}._app.2`)]), s.tell(started())), /200 of 150 cpusMilli/],
  ['3b', (s) => s.good({}, books({ tasks: [{ taskId: TASK, frameworkId: 'F', holds: true, resources: held(50) }] })).tell(started()), /may use 0.1 cpus, 10 MiB, the master holds 0.05 cpus, 0 MiB/],
  ['4a', (s) => s.commit([put(running())]).commit([put(running({ stop: stop('upgrading') }))]), /left 0 healthy, at least 1 of 1/],
  ['4b', (s) => s.commit([put(running({}, 'shop_web.instance-2' as never)), put(running({}, 'shop_web.instance-3' as never)), put(running())]), /raised the total to 3, at most 2/],
  ['4c', (s) => s.commit([put(running())]).commit([put(running({ stop: stop('health-check') }))]), /is stopped for its health, and is healthy/],
  ['4d', (s) => s.commit([put(running())]).commit([{ kind: 'put-deployment', row: deployment({ changes: [{ appId: WEB, from: 1, to: 1, baseline: { healthyAtStart: 0, totalAtStart: 1 } }] }) }]), /healthyAtStart 0, 1 are healthy/],
  ['5b', (s) => (s.host([process()]), s.tell({ kind: 'agent-sent', host: 'h', wire: 1, message: { type: 'status', frameworkId: 'f' as never, status: status('TASK_FAILED'), latestState: 'TASK_FAILED' } })), /whose process runs there/],
  ['5c', (s) => { s.host([]); for (const uuid of ['u1', 'u2']) s.tell({ kind: 'agent-sent', host: 'h', wire: 1, message: { type: 'status', frameworkId: 'f' as never, status: status('TASK_RUNNING', { uuid }), latestState: 'TASK_RUNNING' } }); }, /before u1 was acknowledged/],
  ['5d', (s) => s.tell(started()).commit([put(running())]).commit([put(scheduled())]), /runs on h, its instance went from running to scheduled/],
  ['5e', (s) => s.tell(ended('fate', { code: 3, signal: null, oomKilled: false, lost: null })).commit([{ kind: 'add-event', row: { seq: 1, type: 'status_update_event', at: 0, payload: { taskId: TASK, taskStatus: 'TASK_FAILED', message: 'oh' } } }]), /expected "status 3" in it/],
  ['6a', (s) => s.commit([put(running())]).tell(ended('agent', { code: null, signal: 'SIGTERM', oomKilled: false, lost: null })), /was ended by its agent \(SIGTERM\)/],
  ['1b', (s) => s.good({ app: () => ({ desiredVersion: 9 }), version: () => null }).commit([event(1)]).tell(answered('restartApp', { kind: 'done', value: null })), /a read shows version 9, the database has 1/],
  ['2e', (s) => s.good().tell(started()).pass(16, 1000), /runs on h, for 15000 ms without need/],
  ['2f', (s) => { s.good(); s.hosts.length = 0; s.host([process()]); s.judged.scan(); s.pass(1, 60_000); s.judged.scan(); }, /its agent has run for 60000 ms and does not know it/],
  ['4e', (s) => { const ids = ['shop_web.instance-1', 'shop_web.instance-2'] as never[]; s.version({ instances: 2, upgrade: { minimumHealthCapacity: 1, maximumOverCapacity: 0 } }); s.commit(ids.map((id) => put(running({}, id)))).commit(ids.map((id) => put(running({ stop: stop('health-check') }, id)))); }, /2 of 2 instances of one config are down for their health, at most 1/],
  ['4f', (s) => s.commit([{ kind: 'put-deployment', row: deployment() }]).commit([{ kind: 'put-deployment', row: deployment({ currentStep: 1 }) }]), /its step of deployment d1 ended with 0 of 1 healthy/],
  ['4f', (s) => { const db = appId('/shop/db'); s.version({ dependencies: [db] }); s.database.versions.set(db, s.database.versions.get(WEB)!); s.database.apps.set(db, { id: db, generation: 1, desiredVersion: 1, activeVersion: 1 }); s.commit([{ kind: 'put-deployment', row: deployment({ steps: [db, WEB].map((id) => [{ action: 'ScaleApplication', appId: id }]), changes: [WEB, db].map((id) => ({ appId: id, from: 1, to: 1, baseline: id === WEB ? { healthyAtStart: 0, totalAtStart: 0 } : null })) }) }]); }, /changes before \/shop\/db, on which it depends: that one’s step is not over/],
  ['5a', (s) => s.good().commit([put(running())]).tell(ended('fate', { code: 1, signal: null, oomKilled: false, lost: null })).pass(152, 1000), /its instance is still running/],
  ['5f', (s) => s.good().commit([put(running({ condition: { kind: 'unreachable', since: 0, task: task(), inactiveAt: null, expungeAt: NOW, inactive: false } }))]).pass(3, 10_000), /was to be given up/],
  ['7b', (s) => { const tasks = Array.from({ length: 101 }, () => ({})); s.tell(call({ type: 'ACCEPT', accept: { operations: [{ type: 'LAUNCH', launch: { task_infos: tasks } }] } })); }, /launches 101 tasks with one ACCEPT, at most 100/],
  ['8b', (s) => { s.good({ deployments: () => [deployment()], plan: () => ({ waitingFor: [] }) }); s.judged.scan(); }, /expected what it waits for/],
  ['8c', (s) => { s.version({ progressDeadlineMs: 1000 }); s.good({ deployments: () => [deployment()], plan: () => ({ counts: {}, waitingFor: [{ kind: 'health' }] }) }); for (let i = 0; i < 5; i++) { s.judged.scan(); s.pass(1, 60_000); } }, /is not said to be stuck/],
  ['7a', (s) => { (s.scene.limits as { maxRunningDeployments: number }) = { ...s.scene.limits, maxRunningDeployments: 0 } as never; s.commit([{ kind: 'put-deployment', row: deployment() }]); }, /1 deployments running, at most 0/],
  ['7c', (s) => { for (let i = 0; i < 41; i++) s.tell(call({ type: 'RECONCILE', reconcile: { tasks: [] } })); }, /41 times within a minute/],
  ['8a', (s) => s.tell(answered('changeApps', { kind: 'refused', error: new Error('boom') })), /failed with Error: boom/],
  ['api-a', (s) => s.commit([put(running())]), /from nothing to running/],
  ['api-b', (s) => s.commit([put(running())]).commit([put(running({ stop: stop('user-request') }))]), /nothing calls for it/],
  ['api-c', (s) => (s.version({ backoff: { initialMs: 1000, factor: 1, maxMs: 9000 } }), s.commit([put(running())]).tell(ended('fate', { code: 1, signal: null, oomKilled: false, lost: null }), started())), /0 ms after its instance had crashed, expected 1000/],
  ['api-d', (s) => s.commit([{ kind: 'put-deployment', row: deployment({ state: 'failed', endedAt: 1 }) }]).commit([{ kind: 'put-deployment', row: deployment() }]), /it had ended as failed/],
  ['api-e', (s) => s.commit([{ kind: 'put-deployment', row: deployment() }, { kind: 'put-deployment', row: deployment({ id: 'd2' as never }) }]), /d1 and d2 running/],
  ['api-f', (s) => s.commit([put(running({ version: 7 }))]), /names version 7, which is gone/],
  ['api-g', (s) => (s.version({ constraints: [{ field: 'hostname', operator: 'UNIQUE', value: null }] }), s.commit([put(running({}, 'shop_web.instance-2' as never))]).commit([put(running({ condition: { kind: 'provisioned', since: 1, task: task() } }))])), /hostname UNIQUE : 1 others are on h/],
  ['link-a', (s) => s.wire(80_001).good().judged.scan(), /h holds on to connection 1, over which it has heard nothing for 80001 ms/],
  ['link-b', (s) => { s.wire().good({}, books({ isConnected: false })).judged.scan(); s.pass(1, 10_000); }, /h is registered over connection 1, and the master has it as disconnected/],
  ['link-c', (s) => s.wire().good().tell({ kind: 'agent-got', host: 'h', wire: 1, message: { type: 'launch', tasks: [{ task_id: { value: TASK } }] } as never }).pass(1, 20_000), /the launch of .* reached h over connection 1, and 20000 ms later nothing has come of it/],
  ['link-d', (s) => { for (let i = 0; i < 2; i++) s.tell({ kind: 'agent-sent', host: 'h', wire: 1, message: { type: 'status', frameworkId: 'f' as never, status: status('TASK_RUNNING'), latestState: 'TASK_RUNNING' } }); }, /h says TASK_RUNNING of .* again after 0 ms/],
  ['record-a', (s) => s.tell(call(launchCall)), /its instance is not recorded/],
  ['record-b', (s) => s.commit([put(running())]).tell(call({ type: 'KILL', kill: { task_id: { value: TASK } } })), /has no recorded stop/],
  ['record-c', (s) => s.commit([put(running())]).tell(update('paas-api#1', 'TASK_FAILED'), call({ type: 'ACKNOWLEDGE', acknowledge: { task_id: { value: TASK }, agent_id: { value: 'S0' }, uuid: 'u1' } })), /expected its end/],
  ['record-d', (s) => s.tell(started()), /its checkpoint is not on the disk/],
  ['record-e', (s) => s.tell({ kind: 'stream-sent', by: 'paas-api#1', master: master(), streamId: 's1', event: { type: 'UPDATE', update: { status: status('TASK_UNREACHABLE', { source: 'SOURCE_MASTER', agent_id: { value: 'S0' } }) } } }), /its registry has S0 as unknown/],
  ['record-f', (s) => (s.host([]), s.tell({ kind: 'agent-got', host: 'h', wire: 1, message: { type: 'registered', masterEpoch: 1 } as never }, { kind: 'agent-got', host: 'h', wire: 1, message: { type: 'launch', tasks: [{ task_id: { value: TASK } }] } as never }, started())), /epoch 1, its agent has epoch 2 on record/],
  ['master-a', (s) => scan(s, books({ allocated: held(5) })), /allocated is cpusMilli 5, expected 0/],
  ['master-b', (s) => scan(s, books({ free: held(999) })), /free is cpusMilli 999, expected 1000/],
  ['master-c', (s) => scan(s, books({ offers: [{ offerId: 'o1', resources: held(2000) }] })), /hold 2000 of 1000 cpusMilli/],
  ['master-d', (s) => spendTwice(s), /from o1, which is not out: spent/],
  ['master-e', (s) => reportedTask(s), /has lost, and the master holds nothing for it|has .* and the master holds nothing for it/],
  ['master-f', (s) => { const by = master(); s.tell({ kind: 'stream-sent', by: 'p', master: by, streamId: 's2', event: { type: 'SUBSCRIBED', subscribed: { framework_id: { value: 'f' } } } as never }, { kind: 'call-done', by: 'p', master: by, streamId: 's1', call: { type: 'REVIVE', framework_id: { value: 'f' } } as never, answer: { status: 202, text: '' } }); }, /over stream s1, the newest is s2/],
  ['master-g', (s) => { const by = master(); s.tell({ kind: 'stream-opened', by: 'p', master: by, streamId: 's1', call: { type: 'SUBSCRIBE', subscribe: { framework_info: { roles: ['*'] }, suppressed_roles: ['*'] } } as never }, { kind: 'stream-sent', by: 'p', master: by, streamId: 's1', event: { type: 'OFFERS', offers: { offers: [{ id: { value: 'o1' }, agent_id: { value: 'S0' } }] } } as never }); }, /for role \*, which is suppressed/],
  ['img-a', (s) => { s.version(IN_IMAGE); s.commit([put(launched('shop_web.instance-2'))]).commit([put(launched(ONE))]); }, /instance-1 is launched while another task asks what its image is/],
  ['img-a', (s) => { s.version(IN_IMAGE); s.commit([put(launched(ONE, 'sha256:a'))]); }, /is launched with the image sha256:a, its version has undefined/],
  ['img-a', (s) => s.commit([put(running({ condition: { kind: 'provisioned', since: 1, task: task(TASK, { imageDigest: 'sha256:a' }) } }))]).tell({ kind: 'process-started', host: 'h', process: inImage('sha256:b') }), /was launched with sha256:a, and h runs sha256:b/],
  ['img-a', (s) => { s.commit([put(running())]); s.host([inImage('sha256:b')]); s.judged.atRest(); }, /runs sha256:b on h, its version undefined/],
  ['net-a', (s) => s.tell({ kind: 'network-attached', host: 'h', taskId: TASK, ports: [1, 2] }, { kind: 'network-attached', host: 'h', taskId: `${ONE}._app.2` as TaskId, ports: [2] }), /port 2 of h leads to .*_app\.2, and to .*_app\.1/],
  ['net-a', (s) => s.tell({ kind: 'network-attached', host: 'h', taskId: TASK, ports: [] }, { kind: 'agent-sent', host: 'h', wire: 1, message: { type: 'status', status: status('TASK_FAILED') } as never }), /whose network is still there/],
  ['net-b', (s) => (s.host([]), s.tell({ kind: 'network-attached', host: 'h', taskId: TASK, ports: [] }), s.judged.atRest()), /the network of .* is left on h/],
  ['rest-a', (s) => (s.host([]), s.judged.atRest()), /a checkpoint of left is left on h/],
  ['rest-b', (s) => s.judged.atRest(), /no paas-api leads/],
  ['rest-c', (s) => (s.host([process()]), s.judged.atRest()), /runs on h, its instance is not recorded/],
  ['rest-d', (s) => s.judged.atRest(), /asks for 1 of config 1, 0 are healthy/],
  ['rest-f', (s) => { s.good({}, books({ tasks: [{ taskId: TASK, frameworkId: 'F', holds: true, resources: held(90) }] })).commit([put(running())]); s.host([process()]); s.judged.atRest(); }, /is limited to 0.1 cpus, 10 MiB, its app asks for/],
  ['rest-e', (s) => (s.host([]), s.judged.atRest()), /h remembers 1 killTimers, at most 0/],
]; // prettier-ignore

function scan(stage: Stage, of: unknown): void {
  stage.scene = { ...stage.scene, hasMaster: true, master: master(of) };
  stage.judged.scan();
}

function spendTwice(stage: Stage): void {
  const by = master(books());
  stage.scene = { ...stage.scene, hasMaster: true, master: by };
  const got: SimEvent = { kind: 'call-got', by: 'p', master: by, streamId: 's1', call: launchCall as never };
  stage.tell(got, {
    kind: 'master-sent',
    host: 'h',
    wire: 1,
    master: by,
    message: { type: 'launch', tasks: [{ task_id: { value: TASK }, agent_id: { value: 'S0' }, resources: [] }] } as never,
  });
}

function reportedTask(stage: Stage): void {
  const by = master(books());
  stage.scene = { ...stage.scene, hasMaster: true, master: by };
  const registers = { type: 'register', tasks: [{ state: 'TASK_RUNNING', task: { task_id: { value: TASK }, resources: [] } }] };
  stage.tell(
    { kind: 'agent-sent', host: 'h', wire: 1, message: registers as never },
    { kind: 'master-sent', host: 'h', wire: 1, master: by, message: { type: 'registered', agentId: 'S0' } as never },
    { kind: 'turn-ended' },
  );
}

describe('an invariant', () => {
  it.each(CASES)('%s can fail, and says what was expected', (id, act, message) => {
    const stage = new Stage(id);
    act(stage);
    expect(stage.judged.breaches[0]).toMatch(message);
    expect(stage.judged.breaches[0]?.startsWith(`${id}. `)).toBe(true);
  });

  it('of groups holds where the last one of another group went in the same commit', () => {
    const [gone, first, second] = [2, 3, 4].map((n) => `shop_web.instance-${n}` as typeof ONE) as [typeof ONE, typeof ONE, typeof ONE];
    const on = (hostname: string, id: typeof ONE): Instance =>
      running({ condition: { kind: 'provisioned', since: 1, task: task(`${id}._app.1` as TaskId, { hostname }) } }, id);
    const stage = new Stage('api-g');
    stage.version({ constraints: [{ field: 'hostname', operator: 'GROUP_BY', value: null }] });
    stage.commit([put(on('other', gone))]).commit([put({ ...scheduled(), id: gone }), put(on('h', first)), put(on('h', second)), put(on('h', ONE))]);
    expect(stage.judged.breaches).toEqual([]);
  });

  it('has a case here', () => {
    expect([...new Set(CASES.map(([id]) => id))].sort()).toEqual(INVARIANTS.map(({ id }) => id).sort());
  });
});
