/** What we aim for, as the project's performance page has it: absolute, or at most so many times another contender. */
import type { ContenderName } from './contender.js';
import type { RuntimeName } from './isolation/open-runtime.js';

export interface Aim {
  readonly figure: string;
  readonly what: string;
  readonly of: ContenderName;
  readonly atMost?: number;
  readonly atLeast?: number;
  /** `atMost` counts in multiples of this one. */
  readonly times?: ContenderName;
}

const starts: readonly [number, number][] = [
  [10, 120],
  [50, 250],
  [100, 450],
  [200, 900],
];

interface RuntimeAims {
  readonly p50: number;
  readonly p99: number;
  readonly pss: number;
  /** Null: the engine's to say. */
  readonly burst: number | null;
}

/** The isolation reference, section 9. */
function isolationAims(of: RuntimeName, { p50, p99, pss, burst }: RuntimeAims): Aim[] {
  return [
    { figure: 'isolation', what: 'a launch, p50', of, atMost: p50 },
    { figure: 'isolation', what: 'a launch, p99', of, atMost: p99 },
    ...(burst === null ? [] : [{ figure: 'isolation', what: '100 at once', of, atMost: burst }]),
    { figure: 'isolation', what: 'a task: helpers, PSS', of, atMost: pss },
    { figure: 'isolation', what: 'statistics of 100', of, atMost: 100 },
    { figure: 'isolation', what: '100 found again after a restart', of, atMost: 1_000 },
    { figure: 'isolation', what: 'kill of a group of 11 → nobody left, p50', of, atMost: 50 },
    { figure: 'isolation', what: 'end → known, p50', of, atMost: 50 },
    { figure: 'agent-restart', what: '100 tasks known again', of, atMost: 1_000 },
    { figure: 'agent-restart', what: '500 tasks known again', of, atMost: 2_000 },
  ];
}

export const AIMS: readonly Aim[] = [
  ...starts.map(([count, atMost]): Aim => ({ figure: 'start', what: `${count} instances`, of: 'ekiden', atMost })),
  ...starts.map(([count]): Aim => ({ figure: 'start', what: `${count} instances`, of: 'ekiden-cgroup', atMost: 1.5, times: 'floor-cgroup' })),
  { figure: 'recovery', what: 'p50', of: 'ekiden', atMost: 20 },
  { figure: 'recovery', what: 'p99', of: 'ekiden', atMost: 50 },
  { figure: 'rolling', what: '20, 4 at a time', of: 'ekiden', atMost: 1_000 },
  { figure: 'scaling', what: '50 → 100', of: 'ekiden', atMost: 300 },
  { figure: 'scaling', what: '100 → 50', of: 'ekiden', atMost: 300 },
  { figure: 'reads', what: 'GET /v2/apps/{id}', of: 'ekiden', atLeast: 20_000 },
  { figure: 'writes', what: 'durable writes, 32 at once', of: 'ekiden', atLeast: 1_500 },
  { figure: 'memory', what: 'a task: helpers, PSS', of: 'ekiden', atMost: 0.2 },
  { figure: 'memory', what: 'a task: helpers, PSS', of: 'ekiden-cgroup', atMost: 0.2 },
  { figure: 'memory', what: 'control plane with 200, RSS', of: 'ekiden', atMost: 300 },
  { figure: 'memory', what: 'agent with 200, RSS', of: 'ekiden', atMost: 80 },
  ...isolationAims('process', { p50: 5, p99: 20, pss: 0.3, burst: 1_000 }),
  ...isolationAims('cgroup', { p50: 10, p99: 40, pss: 0.4, burst: 1_500 }),
  ...isolationAims('oci', { p50: 40, p99: 100, pss: 1, burst: 4_000 }),
  ...isolationAims('docker', { p50: 200, p99: 400, pss: 4, burst: null }),
];
