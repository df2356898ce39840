/**
 * Whoever runs processes in the benchmark: Ekiden, the floor below it, PM2. Each measures itself, from its request to the moment at
 * which it knows that what was asked for is true, so that nobody pays for another's way of asking.
 */
export const CONTENDERS = [
  ...(['ekiden', 'ekiden-cgroup', 'floor', 'floor-cgroup', 'pm2'] as const),
  // The runtimes of libs/isolation, and what people type instead.
  ...(['process', 'cgroup', 'oci', 'docker', 'docker run', 'podman run'] as const),
] as const;
export type ContenderName = (typeof CONTENDERS)[number];

export interface Contender {
  readonly name: ContenderName;
  /** Runs `count` processes of a shell line, as one app; answers after how many ms all run. Restarted when they end, without delay. */
  start(count: number, line: string): Promise<number>;
  /** Ends them and forgets the app. */
  clear(): Promise<void>;
}

/** One that can also change what it runs; the floor cannot. */
export interface Deployer extends Contender {
  /** Replaces all processes, `batch` at a time. */
  roll(batch: number): Promise<number>;
  /** More or fewer of them. */
  scale(count: number): Promise<number>;
}

export const SLEEP = 'sleep 100000';
