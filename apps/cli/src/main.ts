/** The process `ekiden`: hands the real terminal to the program, and turns what goes wrong into two lines and a code. */
import pc from 'picocolors';
import { CommanderError } from 'commander';
import { CliError, EXIT } from './cli-error.js';
import { errorText } from './render/error-text.js';
import { createProgram } from './program.js';

let exitCode: number = EXIT.done;

process.stderr.on('error', () => undefined); // the terminal was closed: `ekiden up` still ends in order
process.stdout.on('error', () => process.exit(exitCode)); // `ekiden apps | head` closes the pipe early

const program = createProgram({
  out: (text) => process.stdout.write(`${text}\n`),
  tell: (text) => process.stderr.write(`${text}\n`),
  env: process.env,
  home: process.env.EKIDEN_HOME ?? process.cwd(),
  isInteractive: process.stderr.isTTY,
  screen: process.stdout.isTTY ? { rows: () => process.stdout.rows, columns: () => process.stdout.columns } : null,
  hasColours: pc.isColorSupported,
  now: () => Date.now(),
  exitWith: (code) => (exitCode = code),
});

for (const command of [program, ...program.commands]) command.exitOverride();

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) exitCode = error.exitCode;
  else {
    exitCode = error instanceof CliError ? error.exitCode : EXIT.failed;
    process.stderr.write(`${pc.red('ekiden:')} ${errorText(error)}\n`);
    if (!(error instanceof CliError) && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  }
}
process.exit(exitCode); // idle connections and timers do not count
