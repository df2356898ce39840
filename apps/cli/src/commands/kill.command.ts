/** `ekiden kill`: ends one task, or all of an app. Ekiden starts new ones, unless --scale says to do with fewer. */
import type { Command } from 'commander';
import { DeploymentResult, TaskList } from '../api/shapes.js';
import { CliError } from '../cli-error.js';
import { contextOf, type Terminal } from './context.js';
import { settle } from './follow-deployment.js';

interface KillOptions {
  readonly scale: boolean;
  readonly wipe: boolean;
  readonly host?: string;
  readonly wait: boolean;
}

/** Task ids have no slash; app ids begin with one (or are written without it and have no dot-separated instance part). */
export const isTaskId = (text: string): boolean => !text.includes('/') && /\.(instance-|[0-9a-f]{8}-)/.test(text);

export function killCommand(program: Command, terminal: Terminal): void {
  program
    .command('kill')
    .argument('<task|app>', 'the id of a task, or of an app for all of its tasks')
    .summary('end tasks; new ones are started in their place')
    .option('--scale', 'lower the number of instances by those killed', false)
    .option('--wipe', 'forget what the killed instances had reserved', false)
    .option('--host <host>', 'of an app: only the tasks on this host')
    .option('--no-wait', 'with --scale: return as soon as the change is stored')
    .addHelpText('after', '\nExamples:\n  ekiden kill /shop/web\n  ekiden kill shop_web.instance-5cb1d3a0-7c11-11eb-8f2b-0242ac110002._app.1 --scale')
    .action(async (target: string, options: KillOptions, command: Command) => {
      const context = contextOf(command, terminal);
      if (options.scale && options.wipe) throw new CliError('--scale and --wipe do not go together', 'give one of them');
      const flags = { scale: options.scale, wipe: options.wipe };
      const answer = isTaskId(target) ? await context.api.killTasks([target], flags) : await context.api.killApp(target, { ...flags, host: options.host });
      const deployment = DeploymentResult.safeParse(answer);
      if (deployment.success) return settle(context, `kill ${target}`, { ...deployment.data, warnings: [] }, options.wait);
      const { tasks } = TaskList.parse(answer);
      if (tasks.length === 0 && isTaskId(target)) throw new CliError(`there is no task ${target}`, '`ekiden app <id>` lists the tasks of an app');
      context.print(answer, () => (tasks.length === 0 ? 'no tasks to kill' : tasks.map((task) => `killed ${task.id} on ${task.host}`).join('\n')));
    });
}
