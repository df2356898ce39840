// Runs the benchmark (test/bench/bench.ts) and ends with it.
//
//   npm run bench
//   npm run bench -- --only start,recovery --quick --json figures.json
//
// The benchmark has a process group of its own, so that Ctrl-C reaches it once and alone, and it ends what it started in its own order.
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const child = spawn(process.execPath, ['--import', 'tsx', 'test/bench/bench.ts', ...process.argv.slice(2)], {
  cwd: dirname(dirname(fileURLToPath(import.meta.url))),
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  detached: true,
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`the benchmark did not start: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code) => process.exit(code ?? 1));
