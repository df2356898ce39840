/**
 * Counts every call that each part makes on its ports, and kills a part at the one that was asked for.
 *
 * Calls are numbered per part and life: the first process of a part since the trap was set is life 0, the one that is started
 * after its death life 1. The same seed makes the same calls, so that a number found in one run means the same call in the next.
 */
import type { CallMoment, PortTrap, VirtualProcess } from '../world/virtual-process.js';
import type { World } from '../world/world.js';

/** One moment at which a part dies. */
export interface Crash {
  /** `paas-api`, `master`, or a host's name. */
  readonly part: string;
  readonly life: number;
  /** From 1, within that life. */
  readonly call: number;
  readonly moment: CallMoment;
}

export interface Call {
  readonly name: string;
  /** It is answered later: its caller can die while it is under way. */
  isLater: boolean;
}

interface Life {
  readonly number: number;
  /** What was called, in order. */
  readonly calls: Call[];
}

export class CrashTrap implements PortTrap {
  /** Crashes that have happened, with the names of the calls. */
  readonly sprung: { readonly crash: Crash; readonly port: string }[] = [];
  deaths = 0;
  private readonly lives = new Map<VirtualProcess, Life>();
  private readonly livesOf = new Map<string, Life[]>();

  /** `died`: the part is gone now. */
  constructor(
    private readonly world: World,
    private readonly crashes: readonly Crash[],
    private readonly died: (part: string) => void,
  ) {
    world.portTrap = this;
  }

  atCall(process: VirtualProcess, port: string, args: readonly unknown[]): CallMoment | null {
    const part = partOf(process);
    const life = this.lifeOf(process, part);
    const name = called(port, args);
    const call = life.calls.push({ name, isLater: false });
    const crash = this.crashes.find((one) => one.part === part && one.life === life.number && one.call === call);
    if (crash === undefined) return null;
    this.sprung.push({ crash, port: name });
    return crash.moment;
  }

  answersLater(process: VirtualProcess): void {
    const call = this.lives.get(process)?.calls.at(-1);
    if (call !== undefined) call.isLater = true;
  }

  die(process: VirtualProcess): void {
    const part = partOf(process);
    this.deaths += 1;
    this.world.log.push({ at: this.world.clock.now(), from: 'fate', level: 'info', event: `kill -9 ${part}`, fields: {} });
    this.world.kill(process);
    this.died(part);
  }

  /** The calls of one life, in order. */
  calls(part: string, life: number): readonly Call[] {
    return this.livesOf.get(part)?.[life]?.calls ?? [];
  }

  parts(): string[] {
    return [...this.livesOf.keys()].sort();
  }

  private lifeOf(process: VirtualProcess, part: string): Life {
    const known = this.lives.get(process);
    if (known !== undefined) return known;
    const all = this.livesOf.get(part) ?? [];
    this.livesOf.set(part, all);
    const life: Life = { number: all.length, calls: [] };
    all.push(life);
    this.lives.set(process, life);
    return life;
  }
}

/** `master#3` is a process of `master`. */
const partOf = (process: VirtualProcess): string => process.name.split('#')[0] ?? process.name;

/** `transport.call ACCEPT`: with the type of what was sent, where it has one. */
function called(port: string, args: readonly unknown[]): string {
  for (const arg of args) if (typeof arg === 'object' && arg !== null && 'type' in arg && typeof arg.type === 'string') return `${port} ${arg.type}`;
  return port;
}
