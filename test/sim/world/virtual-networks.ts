/**
 * The networks of a simulated machine: they outlive the agent, and not the machine's boot.
 *
 * A network is attached and taken away after a moment; the events say so to whoever judges.
 */
import type { Clock, TaskId } from '@ekiden/model';
import type { NetworkPort } from '../../../apps/agent/src/agent-ports.js';
import type { Tell } from './sim-event.js';
import type { After } from './virtual-registry.js';

const ATTACH_MS = 5;
const DETACH_MS = 8;

export class VirtualNetworks {
  /** Task → its address, and back. */
  private readonly attached = new Map<TaskId, string>();
  private readonly owners = new Map<string, TaskId>();
  private next = 1;

  constructor(
    readonly clock: Clock,
    private readonly host: string,
    private readonly tell: Tell,
  ) {}

  /** Power off and on: only what is on disk is left, and the next agent takes that away. */
  reboot(): void {
    for (const taskId of [...this.attached.keys()]) this.remove(taskId);
  }

  /** `after`: waits on the machine's clock, where the agent's crashes are. */
  port(after: After): NetworkPort {
    return {
      attach: ({ taskId, networks }) =>
        after(ATTACH_MS, () => {
          const address = `10.88.0.${this.next++}`;
          this.attached.set(taskId, address);
          this.owners.set(address, taskId);
          this.tell({ kind: 'network-attached', host: this.host, taskId, ports: networks.flatMap(({ ports }) => ports.map(({ hostPort }) => hostPort)) });
          return networkAt(address);
        }),
      detach: (taskId) => after(DETACH_MS, () => this.remove(taskId)),
      find: (taskId) => {
        const address = this.attached.get(taskId);
        return address === undefined ? null : networkAt(address);
      },
      sweep: (known) =>
        after(1, () => {
          let removed = 0;
          for (const taskId of this.attached.keys()) {
            if (known.has(taskId)) continue;
            this.remove(taskId);
            removed += 1;
          }
          return removed;
        }),
      traffic: () => new Map(),
    };
  }

  /** Whose address it is; null: nobody's here. */
  at(address: string): TaskId | null {
    return this.owners.get(address) ?? null;
  }

  private remove(taskId: TaskId): void {
    this.owners.delete(this.attached.get(taskId) ?? '');
    if (this.attached.delete(taskId)) this.tell({ kind: 'network-detached', host: this.host, taskId });
  }
}

const networkAt = (address: string) => ({ namespace: `/networks/${address}`, addresses: [address], dns: { nameservers: [], search: [], options: [] } });
