/**
 * Placements a second at a stated size: `npx tsx libs/allocator/test/bench-placements.ts [agents] [roles]`.
 *
 * One placement is an agent becoming a candidate, offered to the fairest framework, one task launched from the offer, the
 * rest declined; from a full load on, one task ends for each that begins, and its agent is the next candidate.
 */
import { agentId, frameworkId, NO_RESOURCES, portsOf, role, subtractResources, type Resources } from '@ekiden/model';
import { allocate, newAllocatorState, release, setAgent, setFramework, takeBack, use, type Slot } from '@ekiden/allocator';

const AGENTS = Number(process.argv[2] ?? 1_000);
const ROLES = Number(process.argv[3] ?? 50);
const PLACEMENTS = 100_000;
const TASKS_PER_AGENT = 20;

const state = newAllocatorState();
const total: Resources = { cpusMilli: 16_000, memMib: 65_536, diskMib: 100_000, gpus: 0, ports: [{ begin: 31_000, end: 32_000 }] };
const ids = Array.from({ length: AGENTS }, (_, index) => agentId(`a${index}`));
for (const id of ids) setAgent(state, { agentId: id, total, active: true });
for (let index = 0; index < ROLES; index++) {
  setFramework(state, { frameworkId: frameworkId(`f${index}`), roles: [role(`team${index}`)], suppressed: new Set(), active: true, takesGpus: false });
}

const running: { slot: Slot; resources: Resources }[] = [];
let next = 0;

function place(): void {
  const id = ids[next++ % AGENTS];
  const [allocation] = id === undefined ? [] : allocate(state, [id], 0);
  if (allocation === undefined) throw new Error('nothing to place on');
  takeBack(state, allocation, allocation.resources);
  const port = allocation.resources.ports[0]?.begin ?? 0;
  const resources = { ...NO_RESOURCES, cpusMilli: 100, memMib: 128, ports: portsOf(port) };
  if (subtractResources(allocation.resources, resources).cpusMilli >= 0) use(state, allocation, resources);
  running.push({ slot: allocation, resources });
}

/** By the wall clock, and by the processor time used: on a busy machine the second is the one to compare. */
function begin(count: number): () => string {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    const byWall = Math.round((count / (performance.now() - wall)) * 1000);
    return `${byWall} placements/s (${Math.round((count / (user + system)) * 1e6)} a second of processor time)`;
  };
}

const filling = begin(AGENTS * TASKS_PER_AGENT);
for (let index = 0; index < AGENTS * TASKS_PER_AGENT; index++) place();
console.log(`filling: ${filling()} (${AGENTS} agents, ${ROLES} roles, ${TASKS_PER_AGENT} tasks an agent)`);

const turning = begin(PLACEMENTS);
let oldest = 0;
for (let index = 0; index < PLACEMENTS; index++) {
  const ended = running[oldest++];
  if (ended !== undefined) release(state, ended.slot, ended.resources);
  place();
}
console.log(`under full load: ${turning()} (${PLACEMENTS} tasks ended and replaced)`);

const whole = performance.now();
const offers = allocate(state, ids, 0);
console.log(`a run over all agents: ${(performance.now() - whole).toFixed(1)} ms, ${offers.length} offers`);
