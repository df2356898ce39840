/** Carries a schedule of faults out, one of a kind at a time, heals everything at its end, and keeps the story. */
import { parseTaskId } from '@ekiden/model';
import { Chance } from '../sim/world/chance.js';
import type { Cluster } from './cluster.js';
import type { Scene } from './faults/fault.js';
import type { Appointment } from './schedule.js';
import type { TaskLife, TaskWatch } from './task-watch.js';

/** An app that has lost an instance to us is spared for so long. */
const SPARED_MS = 20_000;
const LEAST_ALIVE = 3;

export class Storm implements Scene {
  /** By kind, how often. */
  readonly injected = new Map<string, number>();
  readonly running = new Set<string>();
  /** What did not go as a fault should: ours to mend. */
  readonly problems: string[] = [];
  private readonly waiting = new Map<NodeJS.Timeout, () => void>();
  private readonly faults = new Set<Promise<void>>();
  private isOver = false;

  constructor(
    readonly cluster: Cluster,
    readonly watch: TaskWatch,
    private readonly served: readonly string[],
    private readonly tell: (line: string) => void,
  ) {}

  /** Resolves when the whole schedule is carried out and healed, or soon after `end`. */
  async blow(plan: readonly Appointment[]): Promise<void> {
    const beganAt = Date.now();
    for (const appointment of plan) {
      await this.pause(appointment.atMs - (Date.now() - beganAt));
      if (this.isOver) break;
      this.begin(appointment);
    }
  }

  /** Waits until what is under way has healed. */
  async end(): Promise<void> {
    this.isOver = true;
    for (const [timer, resolve] of this.waiting) {
      clearTimeout(timer);
      resolve();
    }
    this.waiting.clear();
    await Promise.all(this.faults);
  }

  readonly pause = (ms: number): Promise<void> => {
    if (this.isOver || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.waiting.delete(timer);
        resolve();
      }, ms);
      this.waiting.set(timer, resolve);
    });
  };

  readonly sparable = (): TaskLife[] => {
    const now = Date.now();
    const appOf = (life: TaskLife): string => parseTaskId(life.taskId)?.appId ?? '';
    const alive = this.watch.alive();
    const hit = [...this.watch.lives.values()].filter(({ killedByUsAt }) => killedByUsAt !== null && now - killedByUsAt < SPARED_MS).map(appOf);
    return alive.filter((life) => {
      const app = appOf(life);
      if (!this.served.includes(app)) return true;
      return !hit.includes(app) && alive.filter((other) => appOf(other) === app).length >= LEAST_ALIVE;
    });
  };

  private begin({ fault, seed }: Appointment): void {
    if (this.running.has(fault.name)) return;
    this.running.add(fault.name);
    this.tell(`fault ${fault.name} begins`);
    const doing = fault
      .run(this, new Chance(seed))
      .then(
        (what) => {
          if (what !== null) this.injected.set(fault.name, (this.injected.get(fault.name) ?? 0) + 1);
          this.tell(`fault ${fault.name}: ${what ?? 'nobody to hit'}`);
        },
        (error: unknown) => void this.problems.push(`fault ${fault.name}: ${error instanceof Error ? error.message : String(error)}`),
      )
      .finally(() => {
        this.running.delete(fault.name);
        this.faults.delete(doing);
      });
    this.faults.add(doing);
  }
}
