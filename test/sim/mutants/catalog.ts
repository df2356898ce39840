/** All mutants, along the way of a deploy: decided, recorded, offered, run. */
import { AGENT_MUTANTS } from './agent-mutants.js';
import { MASTER_MUTANTS } from './master-mutants.js';
import type { Mutant } from './mutant.js';
import { PAAS_API_MUTANTS } from './paas-api-mutants.js';
import { PLANNER_MUTANTS } from './planner-mutants.js';

export const MUTANTS: readonly Mutant[] = [...PLANNER_MUTANTS, ...PAAS_API_MUTANTS, ...MASTER_MUTANTS, ...AGENT_MUTANTS];
