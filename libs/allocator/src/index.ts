/** Who is offered what: fair by dominant resource over a tree of roles. Pure, and incremental. */
export { allocate, isAllocatable, nextFilterEnd, takeEndedFilters, type Allocation } from './allocate.js';
export { MAX_FILTERS_PER_AGENT } from './refuse-filters.js';
export {
  deficitOf,
  freeOf,
  MIN_ALLOCATABLE_CPUS_MILLI,
  MIN_ALLOCATABLE_MEM_MIB,
  newAllocatorState,
  offer,
  refuse,
  release,
  removeAgent,
  removeFramework,
  revive,
  setAgent,
  setFramework,
  setWeights,
  suppress,
  takeBack,
  use,
  type AgentResources,
  type AllocatorState,
  type FrameworkWishes,
  type Slot,
} from './state.js';
