/** The simulator, or its directed scenarios, with the product in it, and a mutant's edits made while the files are loaded. */
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { filesOf, mutate, type Mutant } from './mutant.js';

const HUNT = 'test/sim/mutants/hunt.ts';
const SCENARIOS = 'test/sim/scenarios/';
/** Comes before each file of scenarios. */
const MOMENTS = 'test/sim/mutants/scenario-moments.ts';

/** The module's text; null: the product as it is. Throws when an edit does not apply, or its file is not simulated. */
export async function bundle(mutant: Mutant | null, root = process.cwd(), entry = HUNT): Promise<string> {
  const { outputFiles } = await planted(mutant, root, { entryPoints: [entry], write: false, format: 'esm', packages: 'external' });
  const [output] = outputFiles ?? [];
  if (output === undefined) throw new Error('esbuild answered no module');
  return output.text;
}

/** Writes one file for Jest for each file of scenarios, or that of this name. They import nothing. */
export async function bundleScenarios(mutant: Mutant | null, directory: string, file: string): Promise<void> {
  await planted(mutant, process.cwd(), {
    entryPoints: [`${SCENARIOS}${file === '' ? '*' : file}.spec.ts`],
    inject: [MOMENTS],
    outdir: directory,
    format: 'cjs',
  });
}

interface Built {
  readonly outputFiles?: readonly { readonly text: string }[] | undefined;
}

async function planted(mutant: Mutant | null, root: string, options: BuildOptions): Promise<Built> {
  const untouched = new Set(mutant === null ? [] : filesOf(mutant));
  const plugins = mutant === null ? [] : [planting(mutant, root, untouched)];
  const result = await build({ absWorkingDir: root, bundle: true, platform: 'node', target: 'node20', logLevel: 'silent', ...options, plugins });
  const [file] = untouched;
  if (file !== undefined && mutant !== null) throw new Error(`mutant ${mutant.name}: the simulator does not run ${file}`);
  return result;
}

function planting(mutant: Mutant, root: string, untouched: Set<string>): Plugin {
  return {
    name: mutant.name,
    setup: (context) =>
      context.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const file = relative(root, path);
        if (!filesOf(mutant).includes(file)) return null;
        untouched.delete(file);
        return { contents: mutate(file, await readFile(path, 'utf8'), mutant), loader: 'ts' };
      }),
  };
}
