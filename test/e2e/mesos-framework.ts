/**
 * A small Mesos framework, written against nothing but the scheduler API's HTTP and RecordIO, as a stranger's would be.
 *
 * What it does with an offer is the test's business (`onOffer`); statuses are acknowledged and kept.
 */
import { request, type ClientRequest } from 'node:http';
import { eventually, Fatal, type AnyJson } from './ekiden.js';

export interface FrameworkOptions {
  readonly master: string;
  readonly token: string;
  readonly name: string;
  readonly role: string;
  readonly onOffer: (framework: MesosFramework, offer: AnyJson) => void;
}

export class MesosFramework {
  /** Newest state by task id. */
  readonly states = new Map<string, string>();
  readonly statuses: AnyJson[] = [];
  readonly errors: string[] = [];
  offersSeen = 0;
  id = '';
  private streamId = '';
  private stream: ClientRequest | null = null;
  private readonly calls = new Set<Promise<unknown>>();

  private constructor(private readonly options: FrameworkOptions) {}

  /** Resolves when it is subscribed. */
  static async subscribe(options: FrameworkOptions): Promise<MesosFramework> {
    const framework = new MesosFramework(options);
    framework.open();
    await eventually(`${options.name} is subscribed`, () => {
      if (framework.errors[0] !== undefined) throw new Fatal(framework.errors[0]);
      return framework.id !== '';
    });
    return framework;
  }

  /** Answers with the HTTP status and text. */
  async call(body: Record<string, unknown>): Promise<{ status: number; text: string }> {
    const sent = fetch(`${this.options.master}/api/v1/scheduler`, {
      method: 'POST',
      headers: { ...this.headers(), 'mesos-stream-id': this.streamId },
      body: JSON.stringify({ framework_id: { value: this.id }, ...body }),
    }).then(async (reply) => ({ status: reply.status, text: await reply.text() }));
    this.calls.add(sent);
    try {
      return await sent;
    } finally {
      this.calls.delete(sent);
    }
  }

  accept(offer: AnyJson, tasks: readonly Record<string, unknown>[], refuseSeconds = 0): Promise<{ status: number; text: string }> {
    const launch = { type: 'LAUNCH', launch: { task_infos: tasks.map((task) => ({ agent_id: offer.agent_id, ...task })) } };
    return this.call({ type: 'ACCEPT', accept: { offer_ids: [offer.id], operations: [launch], filters: { refuse_seconds: refuseSeconds } } });
  }

  decline(offer: AnyJson, refuseSeconds: number): Promise<{ status: number; text: string }> {
    return this.call({ type: 'DECLINE', decline: { offer_ids: [offer.id], filters: { refuse_seconds: refuseSeconds } } });
  }

  /** Ends the framework and all its tasks. */
  async teardown(): Promise<void> {
    await this.call({ type: 'TEARDOWN' });
    this.stream?.destroy();
    await Promise.allSettled(this.calls);
  }

  private headers(): Record<string, string> {
    return { 'content-type': 'application/json', accept: 'application/json', authorization: `Bearer ${this.options.token}` };
  }

  private open(): void {
    const { master, name, role } = this.options;
    const stream = request(`${master}/api/v1/scheduler`, { method: 'POST', headers: this.headers(), agent: false }, (response) => {
      if (response.statusCode !== 200) this.errors.push(`subscribe: ${response.statusCode}`);
      this.streamId = String(response.headers['mesos-stream-id'] ?? '');
      let rest = Buffer.alloc(0);
      response.on('data', (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk]);
        for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
          const length = Number(rest.subarray(0, end).toString());
          if (rest.length < end + 1 + length) return;
          const event: AnyJson = JSON.parse(rest.subarray(end + 1, end + 1 + length).toString());
          rest = rest.subarray(end + 1 + length);
          this.take(event);
        }
      });
      response.on('error', () => undefined); // cut when the test ends
    });
    stream.on('error', (error) => this.errors.push(error.message));
    const info = { user: 'root', name, roles: [role], capabilities: [{ type: 'MULTI_ROLE' }, { type: 'PARTITION_AWARE' }] };
    stream.end(JSON.stringify({ type: 'SUBSCRIBE', subscribe: { framework_info: info } }));
    this.stream = stream;
  }

  private take(event: AnyJson): void {
    switch (event.type) {
      case 'SUBSCRIBED':
        this.id = event.subscribed.framework_id.value;
        return;
      case 'OFFERS':
        for (const offer of event.offers.offers ?? []) {
          this.offersSeen += 1;
          this.options.onOffer(this, offer);
        }
        return;
      case 'UPDATE':
        return this.takeStatus(event.update.status);
      case 'ERROR':
        this.errors.push(event.error.message);
    }
  }

  private takeStatus(status: AnyJson): void {
    this.statuses.push(status);
    this.states.set(status.task_id.value, status.state);
    if (status.uuid !== undefined)
      void this.call({ type: 'ACKNOWLEDGE', acknowledge: { agent_id: status.agent_id, task_id: status.task_id, uuid: status.uuid } }).catch(() => undefined);
  }
}

/** A scalar of an offer's or task's resources, summed over its parts. */
export const scalarOf = (resources: readonly AnyJson[] | undefined, name: string): number =>
  (resources ?? []).reduce((sum, resource) => sum + (resource.name === name ? Number(resource.scalar?.value ?? 0) : 0), 0);
