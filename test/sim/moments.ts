/**
 * Traps at the calls of the parts' ports: "paas-api dies at its third call from now, after its effect and before its answer".
 *
 * A trap goes off once. Whoever is caught is killed at that very call; what it had written stays, what it had sent is on its way.
 */
import type { CallMoment, PortTrap, VirtualProcess } from './world/virtual-process.js';
import type { World } from './world/world.js';

interface Trap {
  /** `paas-api`, `master`, or a machine's name. */
  readonly part: string;
  left: number;
  readonly when: CallMoment;
  readonly caught: (port: string) => void;
}

/** More than so many wait for nothing: the oldest are forgotten. */
const MAX_TRAPS = 200;

export const CALL_MOMENTS: readonly CallMoment[] = ['before', 'during', 'after'];

export class Moments implements PortTrap {
  private traps: Trap[] = [];
  private sprung: (() => void) | null = null;

  constructor(private readonly world: World) {
    world.portTrap = this;
  }

  /** `after`: how many calls of that part go by before. `caught` is called once it is dead, with the name of the call. */
  set(part: string, after: number, when: CallMoment, caught: (port: string) => void): void {
    this.traps.push({ part, left: after, when, caught });
    if (this.traps.length > MAX_TRAPS) this.traps.shift();
  }

  clear(): void {
    this.traps = [];
  }

  atCall(process: VirtualProcess, port: string): CallMoment | null {
    if (this.traps.length === 0) return null;
    for (const trap of this.traps) {
      if (!process.name.startsWith(`${trap.part}#`) || trap.left-- > 0) continue;
      this.traps = this.traps.filter((other) => other !== trap);
      this.sprung = () => trap.caught(port);
      return trap.when;
    }
    return null;
  }

  die(process: VirtualProcess): void {
    this.world.kill(process);
    this.sprung?.();
    this.sprung = null;
  }
}
