/**
 * Reads one frame of an agent: known kinds with the fields that are acted upon, or the reason why not.
 *
 * Agents are authenticated, not bug-free: a frame of a wrong shape ends the link, never the master.
 */
import type { AgentMessage } from '@ekiden/agent-link';
import { z } from 'zod';

/** Tasks that one registration may list. */
const MAX_TASKS = 100_000;

const id = z.looseObject({ value: z.string() });
const resource = z.looseObject({
  name: z.string(),
  type: z.enum(['SCALAR', 'RANGES', 'SET']),
  scalar: z.looseObject({ value: z.number().min(0) }).optional(),
  ranges: z.looseObject({ range: z.array(z.looseObject({ begin: z.number(), end: z.number() })).optional() }).optional(),
});
const state = z.string().regex(/^TASK_[A-Z_]+$/);
const status = z.looseObject({ task_id: id, state, uuid: z.string().optional(), data: z.string().optional() });
const framework = z.looseObject({ user: z.string(), name: z.string(), id: id.optional() });
const report = z.looseObject({
  frameworkId: z.string(),
  task: z.looseObject({ name: z.string(), task_id: id, resources: z.array(resource).optional() }),
  state,
  latest: status.nullable(),
});
/** Of one agent; with what it says about each. */
const MAX_RUNTIMES = 16;
const MAX_ABILITIES = 64;
const MAX_REASONS = 64;
const runtime = z.looseObject({ name: z.string(), isUsed: z.boolean(), reasons: z.array(z.string()).max(MAX_REASONS) });

const message = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('register'),
    v: z.number(),
    agentId: z.string().nullable(),
    hostname: z.string(),
    ip: z.string(),
    port: z.number(),
    version: z.string(),
    resources: z.array(resource),
    attributes: z.array(z.looseObject({ name: z.string(), type: z.enum(['SCALAR', 'RANGES', 'SET', 'TEXT']) })),
    region: z.string().nullable(),
    zone: z.string().nullable(),
    runtimes: z.array(runtime).max(MAX_RUNTIMES).optional(),
    abilities: z.array(z.string()).max(MAX_ABILITIES).optional(),
    frameworks: z.array(framework),
    tasks: z.array(report).max(MAX_TASKS),
  }),
  z.looseObject({ type: z.literal('status'), frameworkId: z.string(), status, latestState: state }),
  z.looseObject({ type: z.literal('executor-message'), frameworkId: z.string(), executorId: z.string(), data: z.string() }),
  z.looseObject({ type: z.literal('pong'), nonce: z.number() }),
]);

export type ParsedAgentMessage = { readonly kind: 'message'; readonly message: AgentMessage } | { readonly kind: 'wrong'; readonly why: string };

export function parseAgentMessage(text: string): ParsedAgentMessage {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    return { kind: 'wrong', why: String(error) };
  }
  const parsed = message.safeParse(raw);
  if (parsed.success) return { kind: 'message', message: raw as AgentMessage }; // every field that is acted upon was checked
  const issue = parsed.error.issues[0];
  return { kind: 'wrong', why: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'wrong form'}` };
}
