/**
 * Takes parts of the cluster away and brings them back, as a service manager does; `mend` brings back all of them.
 *
 * Who died by itself is started again by `supervise`. A part that is away already is not taken away once more.
 */
import type { Chance } from './world/chance.js';
import { SMALL_MACHINE, type Host, type World } from './world/world.js';

const MAX_AWAY_MS = 120_000;
const RESTART_MS = 200;
/** Leading takes a moment; so long nobody starts yet another one. */
const START_MS = 1_000;

export class Parts {
  private readonly away = new Map<string, object>();
  /** Machines that left for good. */
  private readonly gone = new Set<Host>();
  private boots = 1;

  constructor(private readonly world: World) {}

  /** Called often. */
  supervise(): void {
    const { world } = this;
    if (!world.hasMaster && !this.isAway('master')) this.awayUntil('master', RESTART_MS, () => world.launchMaster());
    if (!world.hasApi && !this.isAway('paas-api')) this.awayUntil('paas-api', RESTART_MS, () => world.bootApi());
  }

  killMaster(awayMs: number): void {
    if (this.world.hasMaster) this.world.killMaster();
    this.bringBackMaster(awayMs);
  }

  bringBackMaster(afterMs: number): void {
    if (!this.world.hasMaster) this.awayUntil('master', afterMs, () => this.world.launchMaster());
  }

  killApi(awayMs: number): void {
    if (this.world.hasApi) this.world.killApi();
    this.bringBackApi(awayMs);
  }

  bringBackApi(afterMs: number): void {
    if (!this.world.hasApi) this.awayUntil('paas-api', afterMs, () => this.world.bootApi());
  }

  killAgent(host: Host, awayMs: number, isSilent = false): void {
    if (host.process === null) return;
    this.world.killAgent(host, isSilent);
    this.bringBackAgent(host, awayMs);
  }

  bringBackAgent(host: Host, afterMs: number): void {
    this.world.clock.after(afterMs, () => {
      if (host.process !== null || this.gone.has(host)) return;
      try {
        this.world.startAgent(host);
      } catch (error) {
        // A full disk: it ends at once, as a real one does, and is started again.
        if (!String(error).includes('ENOSPC')) throw error;
        this.bringBackAgent(host, START_MS);
      }
    });
  }

  /** The power of a machine is cut: its disk may lose what was not synced, and nobody is told that it is gone. */
  reboot(host: Host, awayMs: number): void {
    this.killAgent(host, awayMs, true);
    host.machine.reboot(this.nextBoot());
  }

  /** A new disk: what comes back is a new agent. */
  reinstall(host: Host, awayMs: number): void {
    this.killAgent(host, awayMs, true);
    host.machine.reinstall(this.nextBoot());
  }

  /** It never comes back. */
  remove(host: Host): void {
    this.gone.add(host);
    this.reinstall(host, 0);
  }

  /** Machines that are not gone for good. */
  hosts(): readonly Host[] {
    return this.world.hosts.filter((host) => !this.gone.has(host));
  }

  isAway(part: 'master' | 'paas-api'): boolean {
    return this.away.has(part);
  }

  /** Everything that was taken away is there again, as big as at the beginning. */
  mend(): void {
    const { world } = this;
    this.away.clear();
    this.supervise();
    for (const host of this.hosts()) {
      world.network.heal(host.name);
      host.machine.disk.mend();
      host.machine.forkError = null;
      if (host.process !== null && host.resources !== SMALL_MACHINE) world.killAgent(host);
      host.resources = SMALL_MACHINE;
      if (host.process === null) world.startAgent(host);
    }
  }

  private nextBoot(): string {
    return `boot-${++this.boots}`;
  }

  private awayUntil(part: 'master' | 'paas-api', ms: number, start: () => void): void {
    if (this.away.has(part)) return;
    const absence = {};
    this.away.set(part, absence);
    this.world.clock.after(ms, () => {
      if (this.away.get(part) !== absence) return;
      start();
      this.world.clock.after(START_MS, () => this.away.get(part) === absence && this.away.delete(part));
    });
  }
}

/** How long somebody stays away: often a moment, sometimes long enough to be given up. */
export const awayMs = (chance: Chance): number => Math.min(MAX_AWAY_MS, chance.around(chance.pick([300, 5_000, 60_000])));
