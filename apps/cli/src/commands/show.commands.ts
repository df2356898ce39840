/** `apps`, `app`, `deployments`, `nodes` and `why`: one look at the state, as text or as JSON. */
import type { Command } from 'commander';
import { ApiError } from '../api/http.js';
import { appsText, appText } from '../render/app-text.js';
import { deploymentsText } from '../render/deployment-text.js';
import { nodesText, runtimesText } from '../render/node-text.js';
import { whyText } from '../render/why-text.js';
import { contextOf, integer, type Terminal } from './context.js';

const SHOWN_DEPLOYMENTS = '20';

export function appsCommand(program: Command, terminal: Terminal): void {
  program
    .command('apps')
    .summary('list all apps')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command, terminal);
      const apps = await context.api.apps();
      context.print(apps, () => appsText(apps));
    });
}

export function appCommand(program: Command, terminal: Terminal): void {
  program
    .command('app')
    .argument('<app>')
    .summary('show one app with its tasks')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(command, terminal);
      const app = await context.api.app(id);
      const images = await context.api.images(id).catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 404) return null; // an API of before, or the app went just now
        throw error;
      });
      context.print(images === null || images.image === null ? app : { ...app, images }, () => appText(app, context.now(), images));
    });
}

export function deploymentsCommand(program: Command, terminal: Terminal): void {
  program
    .command('deployments')
    .argument('[app]', 'only those of this app')
    .summary('list deployments, the newest first')
    .option('--limit <n>', 'how many', SHOWN_DEPLOYMENTS)
    .option('--cancel <id>', 'roll back the deployment with this id; --force stops it where it is')
    .option('--force', 'with --cancel: leave things as they are', false)
    .action(async (app: string | undefined, options: { limit: string; cancel?: string; force: boolean }, command: Command) => {
      const context = contextOf(command, terminal);
      if (options.cancel !== undefined) {
        const answer = await context.api.cancelDeployment(options.cancel, options.force);
        return context.print(answer, () => (options.force ? 'stopped where it is' : 'rolling back'));
      }
      const list = await context.api.deploymentHistory({ app, limit: integer(options.limit, '--limit', 1, 1000) });
      context.print(list, () => deploymentsText(list, context.now()));
    });
}

export function nodesCommand(program: Command, terminal: Terminal): void {
  program
    .command('nodes')
    .summary('list the machines, what they have and what is used')
    .option('-v, --verbose', 'how each runs tasks, and what it cannot give them, with the reasons')
    .action(async ({ verbose = false }: { readonly verbose?: boolean }, command: Command) => {
      const context = contextOf(command, terminal);
      const nodes = await context.api.nodes();
      context.print(nodes, () => (verbose ? `${nodesText(nodes)}\n\n${runtimesText(nodes)}` : nodesText(nodes)));
    });
}

export function whyCommand(program: Command, terminal: Terminal): void {
  program
    .command('why')
    .argument('<app>')
    .summary('say why an app is not where it should be')
    .addHelpText('after', '\nExample:\n  ekiden why /shop/web')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(command, terminal);
      const why = await context.api.why(id);
      const app = await context.api.app(id).catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      });
      context.print(why, () => whyText(why, app, context.now()));
    });
}
