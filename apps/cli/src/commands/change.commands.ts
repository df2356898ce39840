/** `scale`, `restart`, `rollback` and `delete`: one change of one app, then the wait for it. */
import type { Command } from 'commander';
import { absolute, type EkidenApi } from '../api/ekiden-api.js';
import { CliError } from '../cli-error.js';
import { contextOf, integer, type Terminal } from './context.js';
import { settle } from './follow-deployment.js';

interface ChangeOptions {
  readonly wait: boolean;
  readonly force: boolean;
}

const withChangeOptions = (command: Command): Command =>
  command.option('--no-wait', 'return as soon as the change is stored').option('--force', 'replace a deployment of the same app that is under way', false);

export function scaleCommand(program: Command, terminal: Terminal): void {
  withChangeOptions(program.command('scale').argument('<app>').argument('<instances>').summary('run more or fewer instances of an app'))
    .addHelpText('after', '\nExample:\n  ekiden scale /shop/web 5')
    .action(async (app: string, instances: string, options: ChangeOptions, command: Command) => {
      const context = contextOf(command, terminal);
      const count = integer(instances, 'the number of instances', 0);
      const receipt = await context.api.scale(app, count, options.force);
      await settle(context, `${absolute(app)} to ${count}`, receipt, options.wait);
    });
}

export function restartCommand(program: Command, terminal: Terminal): void {
  withChangeOptions(program.command('restart').argument('<app>').summary('replace all instances of an app, as its upgradeStrategy says')).action(
    async (app: string, options: ChangeOptions, command: Command) => {
      const context = contextOf(command, terminal);
      const receipt = await context.api.restart(app, options.force);
      await settle(context, `restart of ${absolute(app)}`, receipt, options.wait);
    },
  );
}

export function rollbackCommand(program: Command, terminal: Terminal): void {
  withChangeOptions(program.command('rollback').argument('<app>').summary('go back to an earlier version of an app'))
    .description('Goes back to the version before the present one, or to the one that --to names. `--to list` lists them.')
    .option('--to <version>', 'the version to go back to, or "list"')
    .addHelpText(
      'after',
      '\nExamples:\n  ekiden rollback /shop/web\n  ekiden rollback /shop/web --to list\n  ekiden rollback /shop/web --to 2026-11-03T10:15:00.000Z --force',
    )
    .action(async (app: string, options: ChangeOptions & { to?: string }, command: Command) => {
      const context = contextOf(command, terminal);
      if (options.to === 'list') {
        const versions = await newestFirst(context.api, app);
        return context.print(versions, () => versions.join('\n'));
      }
      const version = options.to ?? (await versionBefore(context.api, app));
      const receipt = await context.api.rollback(app, version, options.force);
      await settle(context, `${absolute(app)} to the version of ${version}`, receipt, options.wait);
    });
}

const newestFirst = async (api: EkidenApi, app: string): Promise<readonly string[]> => [...(await api.versions(app))].sort().reverse();

async function versionBefore(api: EkidenApi, app: string): Promise<string> {
  const [present, before] = await newestFirst(api, app);
  if (before === undefined) throw new CliError(`${absolute(app)} has no version before ${present ?? 'this one'}`, 'a version can be named with --to');
  return before;
}

export function deleteCommand(program: Command, terminal: Terminal): void {
  withChangeOptions(program.command('delete').argument('<app>').summary('stop an app and forget it')).action(
    async (app: string, options: ChangeOptions, command: Command) => {
      const context = contextOf(command, terminal);
      const receipt = await context.api.deleteApp(app, options.force);
      await settle(context, `delete ${absolute(app)}`, receipt, options.wait);
    },
  );
}
