/** All that may happen in a run, one line each: what users do, and what goes wrong. */
import * as agents from './faults/agents.js';
import * as cutOffs from './faults/cut-offs.js';
import * as disks from './faults/disks.js';
import * as machines from './faults/machines.js';
import * as master from './faults/master.js';
import * as messages from './faults/messages.js';
import * as paasApi from './faults/paas-api.js';
import * as registry from './faults/registry.js';
import * as second from './faults/second-processes.js';
import * as store from './faults/store.js';
import * as tasks from './faults/tasks.js';
import type { Happening } from './happening.js';
import type { Group } from './schedule.js';
import { askForACircle } from './workloads/ask-for-a-circle.js';
import { cancelDeployment } from './workloads/cancel-deployment.js';
import { changeManyApps, manyUsersAtOnce } from './workloads/change-many-apps.js';
import { constrainApp, freeApp, requirePorts } from './workloads/constrain-app.js';
import { createAllApps } from './workloads/create-all-apps.js';
import { deleteApp } from './workloads/delete-app.js';
import { hastyUser } from './workloads/hasty-user.js';
import { killTasks } from './workloads/kill-tasks.js';
import { changeThroughOldLeader, repeatChange, repeatDelete } from './workloads/repeat-change.js';
import { eventFollower } from './workloads/event-follower.js';
import { resetDelay } from './workloads/reset-delay.js';
import { holdMemory, resizeApp } from './workloads/resize-app.js';
import { restartApp } from './workloads/restart-app.js';
import { rollBack } from './workloads/roll-back.js';
import { scaleApp } from './workloads/scale-app.js';
import { pushImage } from './workloads/push-image.js';
import { redefineApp, relabelApp, updateApp, updateBadly } from './workloads/update-app.js';

const USER_ACTS = [
  scaleApp,
  updateApp,
  updateBadly,
  relabelApp,
  redefineApp,
  rollBack,
  restartApp,
  deleteApp,
  killTasks,
  cancelDeployment,
  changeManyApps,
  askForACircle,
  constrainApp,
  freeApp,
  repeatChange,
  repeatDelete,
  changeThroughOldLeader,
  requirePorts,
  resetDelay,
  resizeApp,
  holdMemory,
];

/** On a day of a big cluster somebody does something once a minute. */
const DAY_PACE_OF_USERS = 80;
/** Some seventy times an hour something is wrong with a task, or with all tasks of an app: each of a thousand is hit nearly twice a day. */
const DAY_PACE_OF_TASKS = 15;
/** Some 25 times an hour something is wrong with a process of Ekiden, a machine, a disk, the store or the network. */
const DAY_PACE_OF_PARTS = 180;

const ACTS = USER_ACTS.map((one) => one.act);

const WORKLOADS: readonly Happening[] = [...USER_ACTS, hastyUser(ACTS), manyUsersAtOnce(ACTS), eventFollower, pushImage];

const TASK_FAULTS: readonly Happening[] = [
  tasks.taskCrashes,
  tasks.taskGetsSick,
  tasks.appGetsSick,
  tasks.tasksFlap,
  tasks.taskHangs,
  tasks.taskGetsSlow,
  tasks.taskIgnoresTerm,
  tasks.taskEndsAsItIsKilled,
];

const OTHER_FAULTS: readonly Happening[] = [
  agents.agentDies,
  agents.agentStaysAway,
  agents.agentDiesAtWork,
  disks.diskIsFull,
  disks.diskCannotSync,
  disks.diskIsSlow,
  tasks.forksFail,
  machines.machineReboots,
  machines.machineGetsNewDisk,
  machines.machineLeaves,
  machines.machineJoins,
  machines.machineShrinks,
  machines.machineIsRelabelled,
  master.masterDies,
  master.masterDiesAtWork,
  master.masterLosesLock,
  paasApi.apiDies,
  paasApi.apiDiesAtWork,
  paasApi.apiLosesLock,
  second.secondApi,
  second.secondMaster,
  store.storeIsAway,
  store.storeIsSlow,
  store.commitIsLost,
  store.registryWriteIsLost,
  store.storeConnectionBreaks,
  registry.registryIsAway,
  cutOffs.agentIsCutOff,
  cutOffs.apiIsCutOff,
  cutOffs.connectionBreaks,
  cutOffs.connectionStalls,
  cutOffs.connectionIsHalfClosed,
  cutOffs.connectionIsCutOff,
  messages.callsAreLost,
  messages.callsOvertake,
  messages.answersAreLost,
  messages.messagesComeTwice,
  messages.messagesBreakConnections,
  messages.networkIsSlow,
];

const FAULTS: readonly Happening[] = [...TASK_FAULTS, ...OTHER_FAULTS];

/** Users are busy or lazy together; each kind of bad luck has a pace of its own, and many runs see a few kinds only. */
export const GROUPS: readonly Group[] = [
  { happenings: WORKLOADS, shareLeftOut: [0, 0.2], rarer: [1, 5, 20], isOnePace: true },
  { happenings: FAULTS, shareLeftOut: [0.2, 0.4, 0.4, 0.8], rarer: [1, 3, 10], isOnePace: false },
];

/** Nothing is left out. */
export const DAY_GROUPS: readonly Group[] = [
  { happenings: WORKLOADS, shareLeftOut: [0], rarer: [DAY_PACE_OF_USERS], isOnePace: true },
  { happenings: TASK_FAULTS, shareLeftOut: [0], rarer: [DAY_PACE_OF_TASKS], isOnePace: true },
  { happenings: OTHER_FAULTS, shareLeftOut: [0], rarer: [DAY_PACE_OF_PARTS], isOnePace: true },
];

export const HAPPENINGS: ReadonlyMap<string, Happening> = new Map([...WORKLOADS, ...FAULTS, createAllApps].map((one) => [one.name, one]));
