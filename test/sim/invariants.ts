/**
 * THE LIST: every promise of product.md by its number, then the rules of the parts that keep them. What a run is judged by.
 *
 * Each is a sentence and a check that sees when it does not hold, at the event that breaks it. `invariants.spec.ts` shows of each one
 * that it can fail. A new one is a value in a file of `invariants/`, its line here, and its case there.
 */
import { answersAreCommitted, desiredOnlyByRequest, eventsHaveNoGaps, generationsRise, readsShowAnswers } from './invariants/acknowledged.js';
import {
  everythingIsAsAskedFor,
  memoryIsBounded,
  memoryIsTheDatabase,
  nothingIsUnacknowledged,
  sizesAreAsAskedFor,
  whatRunsIsWhatIsHeld,
} from './invariants/at-rest.js';
import { theLostAreGivenUpInTime } from './invariants/deadlines.js';
import { deploymentsEndOnce, namedVersionsStay, oneDeploymentAnApp } from './invariants/deployments.js';
import { endsAreToldOnceOver, reasonsAreTold, recordedEndsAreTrue, statusesComeInOrder } from './invariants/ends.js';
import { refusalsExplain, stuckIsSaid, waitingIsExplained } from './invariants/explanations.js';
import { healthKillsAreSpread } from './invariants/health-kills.js';
import { backoffIsKept, instancesMoveLegally, stopsHaveCauses } from './invariants/instance-states.js';
import type { Invariant } from './invariants/invariant.js';
import { Judge } from './invariants/judge.js';
import { ordersAreCarriedOut, registeredIsConnected, silenceEndsConnections, statusesAreRepeatedWithPatience } from './invariants/links.js';
import { callsAreBounded, deploymentsAreBounded, questionsAreFew } from './invariants/limits.js';
import { agentsAndMasterAgree, booksAddUp, freeIsWhatIsLeft, nothingIsHeldTwice, offersAreSpentOnce } from './invariants/master-books.js';
import { nobodyIsOfferedUnasked, oldStreamsAreDeaf } from './invariants/master-streams.js';
import { dependenciesComeFirst } from './invariants/order.js';
import { versionsRunOneImage } from './invariants/images.js';
import { networksBelongToTasks, portsLeadToOneTask } from './invariants/networks.js';
import { launchesKeepConstraints } from './invariants/placement.js';
import {
  machinesAreNotOverCommitted,
  noInstanceRunsTwice,
  noTaskStartsTwice,
  onlyRecordedTasksStart,
  servicesOutliveEkiden,
  sizesAreHeld,
  theEndedNeverStart,
} from './invariants/processes.js';
import {
  forksAreCheckpointed,
  killsAreCommitted,
  launchesAreCommitted,
  lossesAreRecorded,
  staleMastersLaunchNothing,
  statusesAreCommitted,
} from './invariants/record-first.js';
import { baselinesAreTrue, healthKillsSpareTheHealthy, healthyInstancesStay, totalsStayBounded } from './invariants/rollouts.js';
import type { Scene } from './invariants/sight.js';
import { agentsKnowTheirProcesses, everyEndIsLearnt, surplusIsKilled } from './invariants/surplus.js';

export const INVARIANTS: readonly Invariant[] = [
  // 1. Nothing acknowledged is lost.
  answersAreCommitted,
  readsShowAnswers,
  desiredOnlyByRequest,
  generationsRise,
  eventsHaveNoGaps,
  // 2. No surprise processes.
  onlyRecordedTasksStart,
  noTaskStartsTwice,
  noInstanceRunsTwice,
  theEndedNeverStart,
  surplusIsKilled,
  agentsKnowTheirProcesses,
  // 3. No over-commit.
  machinesAreNotOverCommitted,
  sizesAreHeld,
  // 4. Roll-outs keep their word.
  healthyInstancesStay,
  totalsStayBounded,
  healthKillsSpareTheHealthy,
  baselinesAreTrue,
  healthKillsAreSpread,
  dependenciesComeFirst,
  // 5. Every end is learnt.
  everyEndIsLearnt,
  endsAreToldOnceOver,
  statusesComeInOrder,
  recordedEndsAreTrue,
  reasonsAreTold,
  theLostAreGivenUpInTime,
  // 6. Services outlive Ekiden. (That the state becomes right again: `rest-…`.)
  servicesOutliveEkiden,
  // 7. Fair and bounded.
  deploymentsAreBounded,
  callsAreBounded,
  questionsAreFew,
  // 8. Every refusal explains itself.
  refusalsExplain,
  waitingIsExplained,
  stuckIsSaid,
  // The master.
  booksAddUp,
  freeIsWhatIsLeft,
  nothingIsHeldTwice,
  offersAreSpentOnce,
  agentsAndMasterAgree,
  oldStreamsAreDeaf,
  nobodyIsOfferedUnasked,
  // The API.
  instancesMoveLegally,
  stopsHaveCauses,
  backoffIsKept,
  deploymentsEndOnce,
  oneDeploymentAnApp,
  namedVersionsStay,
  launchesKeepConstraints,
  // Between the parts.
  silenceEndsConnections,
  registeredIsConnected,
  ordersAreCarriedOut,
  statusesAreRepeatedWithPatience,
  // Record first, then speak.
  launchesAreCommitted,
  killsAreCommitted,
  statusesAreCommitted,
  forksAreCheckpointed,
  lossesAreRecorded,
  staleMastersLaunchNothing,
  // Images.
  versionsRunOneImage,
  // Networks of tasks.
  portsLeadToOneTask,
  networksBelongToTasks,
  // Liveness, once the faults are over.
  nothingIsUnacknowledged,
  memoryIsTheDatabase,
  whatRunsIsWhatIsHeld,
  everythingIsAsAskedFor,
  sizesAreAsAskedFor,
  memoryIsBounded,
];

/** Holds a world to the list from now on. */
export function judgeFromNow(world: Scene & { readonly witnesses: { add(witness: Judge['see']): void } }): Judge {
  const judge = new Judge(world, INVARIANTS);
  world.witnesses.add(judge.see);
  judge.scanEachMinute();
  return judge;
}

interface Judged {
  readonly judge: { readonly breaches: readonly string[]; scan(): void; atRest(): void };
}

/** Every breach since this world began, after one more look at everything. */
export function breaches({ judge }: Judged): readonly string[] {
  judge.scan();
  return judge.breaches;
}

/** The same, of a world in which everything has come to rest: nothing may be left over. */
export function breachesAtRest({ judge }: Judged): readonly string[] {
  judge.atRest();
  return judge.breaches;
}

/** What is left over now, in words, if this were the end: something is still under way. */
export function leftovers(scene: Scene): readonly string[] {
  const judge = new Judge(scene, [nothingIsUnacknowledged, memoryIsTheDatabase, whatRunsIsWhatIsHeld]);
  judge.atRest();
  return judge.breaches;
}
