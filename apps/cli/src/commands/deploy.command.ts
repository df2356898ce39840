/** `ekiden deploy`: makes the cluster run what a file says, and tells whether it does. */
import type { Command } from 'commander';
import { previewText } from '../render/deployment-text.js';
import { contextOf, type Terminal } from './context.js';
import { settle } from './follow-deployment.js';
import { readSpecs } from './read-spec.js';

export function deployCommand(program: Command, terminal: Terminal): void {
  program
    .command('deploy')
    .argument('<file>', 'an app as JSON, or a list of apps; - reads stdin')
    .summary('create or update apps from a file, and wait until they run')
    .description(
      'Creates the apps that do not exist and updates those that do: what the file says replaces what was. A list is one deployment, dependencies first.',
    )
    .option('--no-wait', 'return as soon as the change is stored')
    .option('--dry-run', 'only say what would change', false)
    .option('--force', 'replace a deployment of the same apps that is under way', false)
    .addHelpText(
      'after',
      `
Exit code: 0 it runs, 1 refused or failed, 2 stuck (ekiden why says for what it waits).

Examples:
  ekiden deploy examples/web.json
  ekiden deploy shop.json --dry-run
  jq '.instances = 3' web.json | ekiden deploy -`,
    )
    .action(async (file: string, options: { wait: boolean; dryRun: boolean; force: boolean }, command: Command) => {
      const context = contextOf(command, terminal);
      const specs = readSpecs(file);
      if (options.dryRun) {
        const preview = await context.api.preview(specs);
        return context.print(preview, () => previewText(preview));
      }
      const receipt = await context.api.putApps(specs, options.force);
      await settle(context, specs.map((spec) => spec.id).join(' '), receipt, options.wait);
    });
}
