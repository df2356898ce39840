/**
 * The kinds of bad luck that a mutant is hunted with: the same users, faults and judges as in every run of the simulator, but
 * a few faults only, and those often. Random seeds reach the same traps; they take hours for what has to be shown in minutes.
 */
import * as agents from '../faults/agents.js';
import * as cutOffs from '../faults/cut-offs.js';
import * as disks from '../faults/disks.js';
import * as machines from '../faults/machines.js';
import * as master from '../faults/master.js';
import * as messages from '../faults/messages.js';
import * as paasApi from '../faults/paas-api.js';
import * as seconds from '../faults/second-processes.js';
import * as store from '../faults/store.js';
import * as tasks from '../faults/tasks.js';
import type { Happening } from '../happening.js';
import { GROUPS } from '../happenings.js';
import { drawSchedule, type Group, type Schedule } from '../schedule.js';

const FAULTS = {
  /** Nothing but the services themselves. */
  tasks: [tasks.taskCrashes, tasks.taskGetsSick, tasks.appGetsSick],
  store: [tasks.taskCrashes, store.commitIsLost, store.storeIsAway, store.storeIsSlow],
  wires: [
    tasks.taskCrashes,
    messages.callsAreLost,
    messages.messagesComeTwice,
    messages.messagesBreakConnections,
    messages.networkIsSlow,
    cutOffs.connectionBreaks,
    cutOffs.apiIsCutOff,
    cutOffs.agentIsCutOff,
  ],
  /** Connections that are not what their ends believe. */
  lines: [
    tasks.taskCrashes,
    cutOffs.connectionBreaks,
    cutOffs.connectionStalls,
    cutOffs.connectionIsHalfClosed,
    cutOffs.connectionIsCutOff,
    cutOffs.agentIsCutOff,
    disks.diskIsSlow,
  ],
  agents: [
    tasks.taskCrashes,
    tasks.taskGetsSick,
    agents.agentDies,
    agents.agentDiesAtWork,
    agents.agentStaysAway,
    cutOffs.agentIsCutOff,
    cutOffs.connectionBreaks,
    disks.diskIsFull,
  ],
  leaders: [
    tasks.taskCrashes,
    master.masterDies,
    master.masterDiesAtWork,
    master.masterLosesLock,
    paasApi.apiDies,
    paasApi.apiDiesAtWork,
    paasApi.apiLosesLock,
    messages.callsAreLost,
  ],
  machines: [tasks.taskCrashes, machines.machineReboots, machines.machineGetsNewDisk, machines.machineLeaves, machines.machineJoins, machines.machineShrinks],
  /** The leader of the API changes, and nothing else. */
  successions: [tasks.taskCrashes, paasApi.apiDies, paasApi.apiLosesLock],
  /** Two masters at a time, and agents that look for the one that leads. */
  usurpers: [tasks.taskCrashes, master.masterLosesLock, seconds.secondMaster, cutOffs.connectionBreaks],
  /** Calls and commits overtake one another. */
  races: [tasks.taskCrashes, messages.networkIsSlow, messages.callsAreLost, store.commitIsLost, store.storeIsSlow, cutOffs.connectionBreaks],
} satisfies Record<string, readonly Happening[]>;

export type Weather = keyof typeof FAULTS;

/** Users of a run are busy, or take their time; what takes minutes to show needs apps that nobody touches meanwhile. */
const USER_PACES: Readonly<Record<Weather, readonly number[]>> = {
  tasks: [2, 10],
  store: [2, 10],
  wires: [2, 10],
  lines: [2, 10],
  agents: [10, 50],
  leaders: [10, 50],
  machines: [10, 50],
  successions: [5, 20],
  usurpers: [5, 20],
  races: [1],
};
/** Each fault comes about twice as often as in the busiest random run. */
const FAULT_PACE = 0.5;

export function isWeather(name: string): name is Weather {
  return Object.hasOwn(FAULTS, name);
}

/** What happens in one run of this weather. */
export function drawWeather(seed: number, minutes: number, weather: Weather): Schedule {
  const groups: readonly Group[] = [
    { happenings: GROUPS[0]?.happenings ?? [], shareLeftOut: [0], rarer: USER_PACES[weather], isOnePace: true },
    { happenings: FAULTS[weather], shareLeftOut: [0], rarer: [FAULT_PACE], isOnePace: false },
  ];
  return drawSchedule(seed, minutes, groups);
}
