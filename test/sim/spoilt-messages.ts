/**
 * Times in which the network spoils messages: several may overlap, each with its own chance; the first that spoils a message decides.
 */
import type { AgentMessage, MasterMessage } from '@ekiden/agent-link';
import type { SchedulerCall, SchedulerEvent } from '@ekiden/mesos';
import { faultless } from './world/virtual-network.js';
import type { Fate } from './world/virtual-wire.js';
import type { World } from './world/world.js';

/** What a bad time does. Absent: it leaves these messages alone. */
export interface Spoiling {
  readonly call?: (call: SchedulerCall) => Fate;
  readonly event?: (event: SchedulerEvent) => Fate;
  readonly toMaster?: (message: AgentMessage) => Fate;
  readonly toAgent?: (message: MasterMessage) => Fate;
  readonly request?: () => Fate;
  readonly delayMs?: () => number;
  readonly lateMs?: () => number;
  /** Calls may be lost or come late: what was to be killed may have to be killed once more. */
  readonly isUnsafe?: boolean;
}

/** A lost call is sent again after 30 s at the latest, and may be lost once more. */
const UNSAFE_AFTER_MS = 66_000;

export class SpoiltMessages {
  private readonly times = new Set<Spoiling>();

  /** `spoilt` is told of each message that suffers. */
  constructor(
    private readonly world: World,
    private readonly spoilt: (fate: Fate) => void,
  ) {
    const { faults } = world.network;
    faults.call = (call) => this.fate((time) => time.call?.(call));
    faults.event = (event) => this.fate((time) => time.event?.(event));
    faults.toAgent = (message) => this.fate((time) => time.toAgent?.(message));
    faults.toMaster = (message) => this.fate((time) => time.toMaster?.(message));
    faults.request = () => this.fate((time) => time.request?.());
    faults.delayMs = () => this.delayMs();
    faults.lateMs = () => this.lateMs();
  }

  for(ms: number, spoiling: Spoiling): void {
    this.times.add(spoiling);
    if (spoiling.isUnsafe === true) this.world.areCallsSafe = false;
    this.world.clock.after(ms, () => this.times.delete(spoiling));
    this.world.clock.after(ms + UNSAFE_AFTER_MS, () => {
      if (![...this.times].some((other) => other.isUnsafe === true)) this.world.areCallsSafe = true;
    });
  }

  /** From now on every message arrives, once, at once. */
  stop(): void {
    this.times.clear();
    Object.assign(this.world.network.faults, faultless());
  }

  private fate(draw: (time: Spoiling) => Fate | undefined): Fate {
    for (const time of this.times) {
      const fate = draw(time) ?? 'deliver';
      if (fate === 'deliver') continue;
      this.spoilt(fate);
      return fate;
    }
    return 'deliver';
  }

  private lateMs(): number {
    for (const time of this.times) if (time.lateMs !== undefined) return time.lateMs();
    return 1_000;
  }

  private delayMs(): number {
    let ms = 1;
    for (const time of this.times) ms = Math.max(ms, time.delayMs?.() ?? 1);
    return ms;
  }
}
