/** The command line as a whole: its commands in the order in which people need them, and the options that all share. */
import { EKIDEN_VERSION } from '@ekiden/service';
import { Command } from 'commander';
import { deleteCommand, restartCommand, rollbackCommand, scaleCommand } from './commands/change.commands.js';
import type { Terminal } from './commands/context.js';
import { deployCommand } from './commands/deploy.command.js';
import { execCommand } from './commands/exec.command.js';
import { eventsCommand } from './commands/events.command.js';
import { killCommand } from './commands/kill.command.js';
import { logsCommand } from './commands/logs.command.js';
import { appCommand, appsCommand, deploymentsCommand, nodesCommand, whyCommand } from './commands/show.commands.js';
import { topCommand } from './commands/top.command.js';
import { partCommand, upCommand } from './commands/up.command.js';

export function createProgram(terminal: Terminal): Command {
  const program = new Command('ekiden')
    .description('Runs services and keeps them running: deploy an app spec, watch it, roll it back.')
    .version(EKIDEN_VERSION, '-V, --version', 'print the version')
    .option('--api <url>', 'the API (env EKIDEN_API; default http://127.0.0.1:8080)')
    .option('-o, --output <format>', '"json" for scripts')
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: (text) => terminal.tell(text.trimEnd()) })
    .showSuggestionAfterError()
    .helpCommand(false)
    .addHelpText(
      'after',
      `
A token, where the API asks for one, is read from the file that EKIDEN_TOKEN_FILE names.

Examples:
  npm start                           start everything on this machine
  ekiden deploy examples/web.json     run something
  ekiden logs /demo/web -f            see what it prints
  ekiden exec -it /demo/web -- sh     look around in an instance
  ekiden why /demo/web                see what it waits for
  ekiden rollback /demo/web           go back to the version before`,
    );
  program.commandsGroup('Apps:');
  deployCommand(program, terminal);
  appsCommand(program, terminal);
  appCommand(program, terminal);
  logsCommand(program, terminal);
  topCommand(program, terminal);
  execCommand(program, terminal);
  whyCommand(program, terminal);
  scaleCommand(program, terminal);
  restartCommand(program, terminal);
  rollbackCommand(program, terminal);
  killCommand(program, terminal);
  deleteCommand(program, terminal);
  program.commandsGroup('Cluster:');
  deploymentsCommand(program, terminal);
  eventsCommand(program, terminal);
  nodesCommand(program, terminal);
  program.commandsGroup('Running Ekiden:');
  upCommand(program, terminal);
  partCommand(program, terminal, 'master', 'run a master in the foreground');
  partCommand(program, terminal, 'agent', 'run an agent in the foreground');
  partCommand(program, terminal, 'api', 'run the API in the foreground');
  return program;
}
