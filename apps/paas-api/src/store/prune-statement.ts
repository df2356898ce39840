/** Retention: the statements that forget what nobody will ask for, fenced like every write. */
import { FENCE } from './commit-statement.js';
import { NAMED_VERSIONS } from './read-paas.js';

/** Rows that one statement forgets at most: while it runs, the leader cannot renew its lease. */
export const PRUNE_BATCH = 10_000;
/** Statements of one kind in one `prune`; what is left waits for the next. */
export const MAX_PRUNE_ROUNDS = 50;

/** $2: events to keep. The newest stays whatever the limit: the next sequence number is counted from it. */
export const PRUNE_EVENTS = forget(`
  DELETE FROM paas.event e USING fence WHERE e.seq IN (
    SELECT seq FROM paas.event
    WHERE seq < (SELECT min(seq) FROM (SELECT seq FROM paas.event ORDER BY seq DESC LIMIT greatest($2::bigint, 1)) kept)
    ORDER BY seq LIMIT ${PRUNE_BATCH})`);

/** $2: ended deployments to keep. */
export const PRUNE_DEPLOYMENTS = forget(`
  DELETE FROM paas.deployment d USING fence WHERE d.id IN (
    SELECT id FROM paas.deployment WHERE state <> 'running' ORDER BY started_at DESC, id DESC OFFSET $2::bigint LIMIT ${PRUNE_BATCH})`);

/** $2: versions to keep of each app that exists. */
export const PRUNE_VERSIONS = forget(`
  DELETE FROM paas.app_version v USING fence WHERE (v.app_id, v.version) IN (
    SELECT o.app_id, o.version FROM (
      SELECT app_id, version, row_number() OVER (PARTITION BY app_id ORDER BY version DESC) AS age FROM paas.app_version
    ) o
    WHERE (o.age > $2::bigint OR NOT EXISTS (SELECT 1 FROM paas.app a WHERE a.id = o.app_id)) AND (o.app_id, o.version) NOT IN (${NAMED_VERSIONS})
    LIMIT ${PRUNE_BATCH})`);

/** Answers `led` as every commit does, and `forgotten` rows. */
function forget(statement: string): string {
  return `WITH ${FENCE}, gone AS (${statement} RETURNING 1) SELECT (SELECT count(*)::int FROM fence) AS led, (SELECT count(*)::int FROM gone) AS forgotten`;
}
