/**
 * A big cluster for a virtual day: users and faults all the time, every promise watched, and in the end all has to be right.
 *
 * Its faults are those of the small runs, at the rates of a bad day (`DAY_GROUPS`), and they come all day: users act once a minute and roll
 * something out every few minutes, tasks get into trouble seventy times an hour, and 25 times an hour a process of Ekiden dies, a machine
 * reboots, a disk, the store or the network fails. Health checks, pings and back-off have the product's defaults.
 * It shows what Ekiden costs when little changes: that has to be next to nothing.
 */
import { performance } from 'node:perf_hooks';
import { appId } from '@ekiden/model';
import { DAY_GROUPS } from '../happenings.js';
import { derive, drawSchedule } from '../schedule.js';
import { play, type RunResult } from '../simulate.js';
import type { Traits } from '../traits.js';
import { createAllApps } from '../workloads/create-all-apps.js';

export interface DayOptions {
  readonly seed: number;
  readonly agents: number;
  readonly apps: number;
  /** In all, about: users scale up and down all day. */
  readonly instances: number;
  readonly hours: number;
}

export const HOUR_MS = 3_600_000;
const TEAMS = 10;
/** Marathon's defaults. */
const CHECK_SECONDS = 60;
const IMAGE_SHARE = 0.1;
const MAX_DELAY_SECONDS = 300;

export interface DayResult extends RunResult {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

/** Never rejects. */
export async function simulateDay({ seed, agents, apps, instances, hours }: DayOptions): Promise<DayResult> {
  const beganAt = performance.now();
  const cpu = process.cpuUsage();
  const traits: Traits = {
    agents,
    mayLoseMachines: true,
    isTight: false,
    isPlainMesos: false,
    imageShare: IMAGE_SHARE,
    apps: Array.from({ length: apps }, (_, index) => appId(`/team-${index % TEAMS}/app-${index}`)),
    // Users scale to anything between none and this: half of it on average.
    maxInstances: Math.ceil((2 * instances) / apps),
    checkSeconds: CHECK_SECONDS,
    maxDelaySeconds: MAX_DELAY_SECONDS,
  };
  const schedule = drawSchedule(seed, hours * 60, DAY_GROUPS, traits);
  const first = { at: 0, kind: createAllApps.name, seed: derive(seed, createAllApps.name) };
  const result = await play({ ...schedule, entries: [first, ...schedule.entries] });
  const used = process.cpuUsage(cpu);
  return {
    ...result,
    wallSeconds: (performance.now() - beganAt) / 1000,
    cpuSeconds: (used.user + used.system) / 1e6,
  };
}
