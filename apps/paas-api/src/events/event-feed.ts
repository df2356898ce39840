/** Committed events and changes, told to whoever listens, in order. The rows were written with the change they tell of. */
import type { AppId } from '@ekiden/model';
import type { Committed } from '../ledger/ledger.js';
import type { EventRow } from '../store/paas-store.js';

export class EventFeed {
  private readonly eventListeners = new Set<(event: EventRow) => void>();
  private readonly changeListeners = new Set<(apps: ReadonlySet<AppId>) => void>();

  onEvent(listener: (event: EventRow) => void): () => void {
    this.eventListeners.add(listener);
    return () => void this.eventListeners.delete(listener);
  }

  onChange(listener: (apps: ReadonlySet<AppId>) => void): () => void {
    this.changeListeners.add(listener);
    return () => void this.changeListeners.delete(listener);
  }

  committed({ changed, events }: Committed): void {
    if (changed.size > 0) for (const listener of this.changeListeners) listener(changed);
    for (const event of events) for (const listener of this.eventListeners) listener(event);
  }
}
