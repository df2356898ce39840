/**
 * Reads a scheduler call as leniently as Mesos does, and judges it statically (reference: 1.2 and 2.1).
 *
 * `null` is absent, unknown fields stay, a lone object counts as a list of one, numbers may come as strings. What is
 * wrong is answered with the sentence that goes into the 400's body.
 */
import { z } from 'zod';
import { EKIDEN_BATCH_ACKNOWLEDGE, EKIDEN_RESIZE, MAX_ACKNOWLEDGEMENTS_PER_CALL } from './ekiden-extension.js';
import type { SchedulerCall } from './messages.js';

export type ParsedCall =
  | { readonly kind: 'call'; readonly call: SchedulerCall }
  | { readonly kind: 'unknown-type'; readonly type: string }
  | { readonly kind: 'problem'; readonly text: string };

/** Nesting beyond this is refused before it is read. */
const MAX_DEPTH = 200;
/** Entries of a new size: of a task's resources, two can change. */
const MAX_RESIZED = 8;

const number = z.union([
  z.number(),
  z
    .string()
    .regex(/^-?\d+(\.\d+)?$/)
    .transform(Number),
]);
const list = <T extends z.ZodType>(item: T) =>
  z.preprocess((value) => (value === undefined || Array.isArray(value) ? value : [value]), z.array(item).optional());
const id = z.looseObject({ value: z.string() });
const filters = z.looseObject({ refuse_seconds: number.optional() }).optional();
const killPolicy = z.looseObject({ grace_period: z.looseObject({ nanoseconds: number }).optional() });
const range = z.looseObject({ begin: number, end: number });
const resource = z.looseObject({
  name: z.string(),
  type: z.enum(['SCALAR', 'RANGES', 'SET']),
  scalar: z.looseObject({ value: number }).optional(),
  ranges: z.looseObject({ range: list(range) }).optional(),
  set: z.looseObject({ item: list(z.string()) }).optional(),
});
const command = z.looseObject({
  value: z.string().optional(),
  shell: z.boolean().optional(),
  arguments: list(z.string()),
  user: z.string().optional(),
  uris: list(z.looseObject({ value: z.string() })),
  environment: z.looseObject({ variables: list(z.looseObject({ name: z.string(), value: z.string().optional() })) }).optional(),
});
const taskInfo = z.looseObject({
  name: z.string(),
  task_id: id,
  agent_id: id,
  resources: list(resource),
  limits: z.record(z.string(), z.looseObject({ value: z.union([z.literal('Infinity'), number]) })).optional(),
  command: command.optional(),
  kill_policy: killPolicy.optional(),
  data: z.string().optional(),
});
const operation = z.looseObject({ type: z.string(), launch: z.looseObject({ task_infos: list(taskInfo) }).optional() });
const frameworkInfo = z.looseObject({
  user: z.string(),
  name: z.string(),
  id: id.optional(),
  failover_timeout: number.optional(),
  checkpoint: z.boolean().optional(),
  role: z.string().optional(),
  roles: list(z.string()),
  capabilities: list(z.looseObject({ type: z.string() })),
});
const acknowledgement = z.looseObject({ agent_id: id, task_id: id, uuid: z.string() });
const acknowledgements = z.preprocess(
  (value) => (value === undefined || Array.isArray(value) ? value : [value]),
  z.array(acknowledgement).min(1).max(MAX_ACKNOWLEDGEMENTS_PER_CALL),
);
/** A list that is absent is none here: a size without a number would be none. */
const resize = z.looseObject({ task_id: id, agent_id: id, resources: z.array(resource).max(MAX_RESIZED), revision: z.int().min(1), offer_ids: list(id) });
const roles = z.looseObject({ roles: list(z.string()) });

/** The sub-message of each call; a type that is not here is answered with 501. */
const SHAPES: Readonly<Record<string, { readonly field: string; readonly shape: z.ZodType; readonly optional?: true } | null>> = {
  SUBSCRIBE: { field: 'subscribe', shape: z.looseObject({ framework_info: frameworkInfo, suppressed_roles: list(z.string()) }) },
  TEARDOWN: null,
  ACCEPT: { field: 'accept', shape: z.looseObject({ offer_ids: list(id), operations: list(operation), filters }) },
  DECLINE: { field: 'decline', shape: z.looseObject({ offer_ids: list(id), filters }) },
  REVIVE: { field: 'revive', shape: roles, optional: true },
  SUPPRESS: { field: 'suppress', shape: roles, optional: true },
  KILL: { field: 'kill', shape: z.looseObject({ task_id: id, agent_id: id.optional(), kill_policy: killPolicy.optional() }) },
  SHUTDOWN: { field: 'shutdown', shape: z.looseObject({ executor_id: id, agent_id: id }) },
  ACKNOWLEDGE: { field: 'acknowledge', shape: acknowledgement },
  [EKIDEN_BATCH_ACKNOWLEDGE]: { field: 'batch_acknowledge', shape: z.looseObject({ acknowledgements }) },
  [EKIDEN_RESIZE]: { field: 'resize', shape: resize },
  RECONCILE: { field: 'reconcile', shape: z.looseObject({ tasks: list(z.looseObject({ task_id: id, agent_id: id.optional() })) }) },
  MESSAGE: { field: 'message', shape: z.looseObject({ agent_id: id, executor_id: id, data: z.string() }) },
  REQUEST: { field: 'request', shape: z.looseObject({ requests: list(z.unknown()) }) },
  UPDATE_FRAMEWORK: { field: 'update_framework', shape: z.looseObject({ framework_info: frameworkInfo, suppressed_roles: list(z.string()) }) },
};

/** `body` is parsed JSON. */
export function parseSchedulerCall(body: unknown): ParsedCall {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return problem('Failed to parse body into JSON: expected an object');
  const call = withoutNulls(body, 0);
  if (call === TOO_DEEP) return problem(`Failed to parse body into JSON: nested deeper than ${MAX_DEPTH}`);
  const raw = call as Record<string, unknown>;
  const type = raw['type'];
  if (typeof type !== 'string') return problem("Failed to validate scheduler::Call: Expecting 'type' to be present");
  const shape = SHAPES[type];
  if (shape === undefined) return { kind: 'unknown-type', type };
  if (type !== 'SUBSCRIBE' && !id.safeParse(raw['framework_id']).success)
    return problem("Failed to validate scheduler::Call: Expecting 'framework_id' to be present");
  if (shape === null) return { kind: 'call', call: raw as unknown as SchedulerCall };
  const part = raw[shape.field];
  if (part === undefined)
    return shape.optional
      ? { kind: 'call', call: raw as unknown as SchedulerCall }
      : problem(`Failed to validate scheduler::Call: Expecting '${shape.field}' to be present`);
  const parsed = shape.shape.safeParse(part);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return problem(
      `Failed to parse body into scheduler::Call: ${[shape.field, ...(issue?.path ?? [])].map(String).join('.')}: ${issue?.message ?? 'wrong form'}`,
    );
  }
  const checked = { ...raw, [shape.field]: parsed.data } as unknown as SchedulerCall;
  return judge(checked) ?? { kind: 'call', call: checked };
}

function judge(call: SchedulerCall): ParsedCall | null {
  if (call.type === 'SUBSCRIBE') {
    const inner = call.subscribe.framework_info.id?.value;
    const outer = call.framework_id?.value;
    if (inner !== outer) return problem("Failed to validate scheduler::Call: 'framework_id' differs from 'subscribe.framework_info.id'");
  }
  const acknowledged = call.type === 'ACKNOWLEDGE' ? [call.acknowledge] : call.type === EKIDEN_BATCH_ACKNOWLEDGE ? call.batch_acknowledge.acknowledgements : [];
  if (acknowledged.some(({ uuid }) => Buffer.from(uuid, 'base64').length !== 16)) return problem('Failed to validate scheduler::Call: Not a valid UUID');
  if (call.type === 'UPDATE_FRAMEWORK' && call.update_framework.framework_info.id?.value !== call.framework_id.value) {
    return problem("Failed to validate scheduler::Call: 'update_framework.framework_info.id' differs from 'framework_id'");
  }
  return null;
}

const problem = (text: string): ParsedCall => ({ kind: 'problem', text });

const TOO_DEEP = Symbol('too deep');

function withoutNulls(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) return TOO_DEEP;
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const item of value) {
      if (item === null) continue;
      const cleaned = withoutNulls(item, depth + 1);
      if (cleaned === TOO_DEEP) return TOO_DEEP;
      items.push(cleaned);
    }
    return items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const result: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === null) continue;
    const cleaned = withoutNulls(item, depth + 1);
    if (cleaned === TOO_DEEP) return TOO_DEEP;
    result[key] = cleaned;
  }
  return result;
}
