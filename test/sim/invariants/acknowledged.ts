/** Promise 1: nothing acknowledged is lost. */
import type { AppId, DeploymentId, Instance, Instant } from '@ekiden/model';
import { liveTask } from '@ekiden/model';
import type { AppVersionRow } from '../../../apps/paas-api/src/store/paas-store.js';
import type { Request } from '../world/sim-event.js';
import type { Invariant, Report } from './invariant.js';
import { OpenRequests } from './open-requests.js';
import type { Sight } from './sight.js';

/** Desired versions of one app that are remembered: an answer comes soon after its commit. */
const MAX_HISTORY = 100;

/** Which versions were desired, as the commits said, newest last; null: deleted. */
class DesiredHistory {
  private readonly byApp = new Map<AppId, (Instant | null)[]>();
  private readonly written = new Map<AppId, (Instant | null)[]>();

  constructor(private readonly sight: Sight) {}

  note(id: AppId, version: Instant | null): void {
    remember(this.byApp, id, version);
  }

  /** A version that the same commit replaces was desired as well: its row is there, the app's names the later one. */
  noteWritten(id: AppId, version: Instant): void {
    remember(this.written, id, version);
  }

  had(id: AppId, version: Instant | null): boolean {
    const isNow = (this.sight.database.apps.get(id)?.desiredVersion ?? null) === version;
    return isNow || [this.byApp, this.written].some((all) => all.get(id)?.includes(version) === true);
  }

  newest(): Iterable<readonly [AppId, Instant | null]> {
    return [...this.byApp].map(([id, all]) => [id, all[all.length - 1] ?? null] as const);
  }
}

function remember(versions: Map<AppId, (Instant | null)[]>, id: AppId, version: Instant | null): void {
  const all = versions.get(id) ?? [];
  versions.set(id, all);
  all.push(version);
  if (all.length > MAX_HISTORY) all.shift();
}

export const answersAreCommitted: Invariant = {
  id: '1a',
  name: 'a 2xx is committed',
  sentence: 'when a client is told 2xx, the database has what it asked for',
  begin: (sight, report) => {
    const history = new DesiredHistory(sight);
    return {
      on: {
        committed: ({ writes }) => {
          for (const write of writes) {
            if (write.kind === 'put-version') history.noteWritten(write.row.appId, write.row.version);
            else if (write.kind === 'put-app') history.note(write.row.id, write.row.desiredVersion);
            else if (write.kind === 'delete-app') history.note(write.id, null);
          }
        },
        answered: ({ request, outcome }) => {
          if (outcome.kind === 'done') judgeAnswer(sight, history, request, outcome.value, report);
        },
      },
      scan: () => {
        for (const [id, version] of history.newest()) {
          const desired = sight.database.apps.get(id)?.desiredVersion ?? null;
          if (desired !== version) report(`${id}: version ${version} was committed last, the database has ${desired}`);
        }
      },
    };
  },
};

/** What the methods of a paas-api answer, as far as it is looked at here. */
interface Answered {
  readonly deploymentId?: DeploymentId;
  readonly version?: Instant;
  readonly apps?: readonly { readonly version: AppVersionRow }[];
  readonly instances?: readonly Instance[];
}

function judgeAnswer(sight: Sight, history: DesiredHistory, request: Request, value: unknown, report: Report): void {
  const { database } = sight;
  const what = `${request.method} ${request.apps.join(' ')} (request ${request.number} at ${request.by})`;
  const answer: Answered = typeof value === 'object' && value !== null ? value : {};
  if (answer.deploymentId !== undefined && !database.deployments.has(answer.deploymentId))
    report(`${what} was told deployment ${answer.deploymentId}, the database has none of that id`);
  for (const { version: row } of answer.apps ?? []) {
    if (!history.had(row.appId, row.version)) report(`${what} was told version ${row.version} of ${row.appId}, which was never committed as desired`);
    const stored = database.versions.get(row.appId)?.get(row.version);
    if (history.had(row.appId, row.version) && database.apps.get(row.appId)?.desiredVersion === row.version && !isSame(stored?.definition, row.definition))
      report(`${what} was told ${JSON.stringify(row.definition)}, the database has ${JSON.stringify(stored?.definition)}`);
  }
  if (request.method === 'deleteApp' && !history.had(request.apps[0]!, null) && !isRemoval(database, answer.deploymentId, request.apps[0]!))
    report(`${what} was told that it is deleted, and no commit did so`);
  if (request.method === 'rollbackApp') judgeRollback(sight, request, answer, what, report);
  if (request.method === 'cancelDeployment') {
    const row = database.deployments.get(request.args[0] as DeploymentId);
    if (row?.state === 'running') report(`${what} was told that deployment ${row.id} is cancelled, the database has it running`);
  }
  for (const told of answer.instances ?? []) {
    const is = database.instances.get(told.id);
    const task = liveTask(told);
    if (is !== undefined && task !== null && is.stop === null && liveTask(is)?.taskId === task.taskId)
      report(`${what} was told that ${task.taskId} is killed, the database has no stop of it: ${is.condition.kind}`);
  }
}

/** A delete that a later change of the same commit replaced: what is left of it is its deployment. */
const isRemoval = (database: Sight['database'], id: DeploymentId | undefined, appId: AppId): boolean =>
  id !== undefined && database.deployments.get(id)?.changes.some((change) => change.appId === appId && change.to === null) === true;

function judgeRollback({ database }: Sight, request: Request, answer: Answered, what: string, report: Report): void {
  const versions = database.versions.get(request.apps[0]!);
  const chosen = versions?.get(request.args[1] as Instant);
  const made = answer.version === undefined ? undefined : versions?.get(answer.version);
  if (chosen !== undefined && made !== undefined && !isSame(chosen.definition, made.definition))
    report(`${what} went back to ${JSON.stringify(chosen.definition)}, the database has ${JSON.stringify(made.definition)}`);
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export const readsShowAnswers: Invariant = {
  id: '1b',
  name: 'read your writes',
  sentence: 'what the leader shows is what is committed: at each answer, each minute, and after each restart and fail-over',
  begin: (sight, report) => {
    let lastCommitter: string | null = null;
    const compare = (id: AppId): void => {
      const api = sight.api();
      // The leader's memory follows a commit within its turn; one that was deposed shows what it knew.
      if (api === null || !api.isLeading || lastCommitter !== sight.scene.apiName) return;
      const shown = api.view.app(id)?.desiredVersion ?? null;
      const stored = sight.database.apps.get(id)?.desiredVersion ?? null;
      if (shown !== stored) report(`${id}: a read shows version ${shown}, the database has ${stored}`);
      if (shown === null) return;
      const definition = sight.database.versions.get(id)?.get(shown)?.definition;
      if (!isSame(api.view.version(id, shown)?.definition, definition))
        report(`${id}: a read shows ${JSON.stringify(api.view.version(id, shown)?.definition)}, the database has ${JSON.stringify(definition)}`);
    };
    return {
      on: {
        committed: ({ by }) => void (lastCommitter = by),
        answered: ({ request, outcome }) => {
          if (outcome.kind === 'done' && request.by === sight.scene.apiName) for (const id of request.apps) compare(id);
        },
      },
    };
  },
};

export const desiredOnlyByRequest: Invariant = {
  id: '1c',
  name: 'nobody changes what was asked for',
  sentence: 'desired state changes only while a request for that app is open at the process that commits, or by a roll-back that the app allows',
  begin: (sight, report) => {
    const requests = new OpenRequests();
    return {
      on: {
        ...requests.on,
        committed: ({ by, writes, before }) => {
          const asked = requests.appsAskedOf(by);
          for (const write of writes) {
            if (write.kind !== 'put-app') continue;
            const was = before.apps.get(write.row.id)?.desiredVersion ?? null;
            if (write.row.desiredVersion === was || asked.has(write.row.id)) continue;
            const isRolledBack = writes.some(
              (one) => one.kind === 'put-deployment' && one.row.rollbackOf !== null && one.row.changes.some(({ appId }) => appId === write.row.id),
            );
            const former = was === null ? undefined : sight.database.versions.get(write.row.id)?.get(was);
            // One that is lost cannot be driven towards: what was before it is all there is.
            const allows = was !== null && (former === undefined || former.spec.rollbackWhenStuck);
            const others = writes.some((one) => one.kind === 'put-deployment' && one.row.rollbackOf !== null && one.row.changes.length > 1);
            if (!isRolledBack || (!allows && !others))
              report(`${write.row.id}: ${by} changed desired version ${was} to ${write.row.desiredVersion}, and nobody had asked`);
          }
        },
      },
    };
  },
};

export const generationsRise: Invariant = {
  id: '1d',
  name: 'generations rise',
  sentence: 'an app’s generation never falls while it exists, and rises with each change of its desired version; only the newest epoch commits',
  begin: (_sight, report) => {
    let epoch = 0;
    return {
      on: {
        committed: ({ by, epoch: mine, writes, before }) => {
          if (mine < epoch) report(`${by} of epoch ${mine} committed after epoch ${epoch} had: expected a refusal`);
          epoch = Math.max(epoch, mine);
          for (const write of writes) {
            if (write.kind !== 'put-app') continue;
            const was = before.apps.get(write.row.id) ?? null;
            if (was === null) continue;
            const isChanged = was.desiredVersion !== write.row.desiredVersion;
            if (write.row.generation < was.generation + (isChanged ? 1 : 0))
              report(
                `${write.row.id}: generation ${was.generation} became ${write.row.generation} with desired ${was.desiredVersion} → ${write.row.desiredVersion}`,
              );
          }
        },
      },
    };
  },
};

export const eventsHaveNoGaps: Invariant = {
  id: '1e',
  name: 'the event stream has no gaps',
  sentence: 'sequence numbers of committed events rise by one; each process publishes them all in that order, and none before it is committed',
  begin: (sight, report) => {
    let last: number | null = null;
    /** Process → the last number that it published. */
    const published = new Map<string, number>();
    return {
      on: {
        committed: ({ by, writes }) => {
          for (const write of writes) {
            if (write.kind !== 'add-event') continue;
            if (last !== null && write.row.seq !== last + 1) report(`${by} committed event ${write.row.seq} after ${last}: expected ${last + 1}`);
            last = write.row.seq;
          }
        },
        published: ({ by, row }) => {
          const before = published.get(by);
          if (before !== undefined && row.seq !== before + 1) report(`${by} published event ${row.seq} after ${before}: expected ${before + 1}`);
          published.set(by, row.seq);
          const { events } = sight.database;
          const stored = events[row.seq - (events[0]?.seq ?? 0)];
          if (stored?.seq !== row.seq || stored.type !== row.type) report(`${by} published event ${row.seq} ${row.type}, which is not committed`);
        },
      },
    };
  },
};
