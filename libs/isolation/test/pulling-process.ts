/** An agent's image store in a process of its own, to be killed while it pulls: `tsx pulling-process.ts <directory> <image>`. */
import { openImageStore, probeContainers } from '../src/index.js';
import { silentLog } from './real-tasks.js';

const [dir = '', reference = ''] = process.argv.slice(2);

void (async () => {
  const probed = await probeContainers(dir);
  if (probed.kind === 'missing') throw new Error(probed.reasons.join('; '));
  const limits = { insecureRegistries: [], authFile: null, stallMs: 60_000, maxImageBytes: 2 ** 30 };
  const store = openImageStore({ dir: `${dir}/killed`, tools: probed.imageTools, log: silentLog, ...limits });
  const progress = (text: string): void => void process.stdout.write(`${text}\n`);
  await store.ensure({ reference, forcePull: false, sandbox: dir, stop: new AbortController().signal, progress });
})();
