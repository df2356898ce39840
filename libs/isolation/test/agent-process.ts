/** An agent for the recovery suite: launches what it is told by its first argument, says `launched`, and waits to be killed. */
import { type LaunchSpec, createRuntime, probeRuntimes } from '../src/index.js';

interface Orders {
  readonly kind: 'process' | 'cgroup';
  readonly instance: string;
  readonly specs: readonly LaunchSpec[];
}

async function main(): Promise<void> {
  const orders: Orders = JSON.parse(process.argv[2] ?? '');
  const { cgroup } = await probeRuntimes();
  const ignore = (): void => undefined;
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const runtime = createRuntime({ kind: orders.kind, driver: orders.kind === 'cgroup' ? cgroup : null, instance: orders.instance, log });
  const results = await Promise.all(orders.specs.map((spec) => runtime.launch(spec)));
  process.stdout.write(results.every(({ kind }) => kind === 'started') ? 'launched\n' : `${JSON.stringify(results)}\n`);
  setInterval(ignore, 60_000);
}

void main();
