/**
 * `ekiden top`: what tasks use, the busiest first.
 *
 * On a terminal the table is drawn anew in its place, until Ctrl-C leaves the last one standing; elsewhere, with --once and as JSON it is
 * printed once. An API that is away for a moment costs a line, not the command.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { ApiError } from '../api/http.js';
import type { Statistics } from '../api/shapes.js';
import { CliError, messageOf } from '../cli-error.js';
import { linesBeside, TOP_ORDERS, topText, type TopOrder } from '../render/top-text.js';
import { contextOf, integer, type Context, type Screen, type Terminal } from './context.js';

/** Looks that fail in a row until we give up. */
const MAX_FAILED_LOOKS = 30;
const MAX_INTERVAL_S = 3_600;

interface TopOptions {
  readonly once: boolean;
  readonly interval: string;
  readonly sort: TopOrder;
}

export function topCommand(program: Command, terminal: Terminal): void {
  program
    .command('top')
    .argument('[app]', 'only the tasks of this app')
    .summary('show what tasks use')
    .option('--once', 'print it once and end; so it is where stdout is no terminal', false)
    .option('-i, --interval <seconds>', 'between two looks', '2')
    .addOption(new Option('-s, --sort <by>', 'the most of which comes first').choices([...TOP_ORDERS]).default('cpu'))
    .addHelpText('after', '\nA limit in brackets is what was asked for: nothing holds the task to it.\n\nExample:\n  ekiden top /shop/web --sort memory')
    .action(async (app: string | undefined, { once, interval, sort }: TopOptions, command: Command) => {
      const context = contextOf(command, terminal);
      const pauseMs = integer(interval, '--interval', 1, MAX_INTERVAL_S) * 1_000;
      const look = (): Promise<Statistics> => context.api.statistics(app);
      if (context.screen !== null && !once && !context.json) return watch(context, context.screen, look, sort, pauseMs);
      const statistics = await look();
      context.print(statistics, () => topText(statistics, sort));
    });
}

async function watch(context: Context, screen: Screen, look: () => Promise<Statistics>, order: TopOrder, pauseMs: number): Promise<never> {
  let failed = 0;
  let drawn = 0;
  for (;;) {
    const text = await look().then(
      (statistics) => {
        failed = 0;
        return topText(statistics, order, screen.rows() - linesBeside(statistics) - 1);
      },
      (error: unknown) => {
        failed += 1;
        if (!(error instanceof CliError) || failed > MAX_FAILED_LOOKS || (error instanceof ApiError && error.status < 500)) throw error;
        return `waiting for the API: ${messageOf(error)}`;
      },
    );
    const lines = fitted(text, screen);
    context.out(`${redraw(drawn)}${lines.join('\n')}`);
    drawn = lines.length;
    await sleep(pauseMs);
  }
}

/** Lines as they take one row each: a longer one would break, and the next drawing begin too low. */
export const fitted = (text: string, screen: Screen): string[] =>
  text
    .split('\n')
    .slice(0, Math.max(1, screen.rows() - 1))
    .map((line) => line.slice(0, Math.max(1, screen.columns())));

/** Back to the first of the lines that were drawn, and all below it is gone. */
export const redraw = (lines: number): string => (lines === 0 ? '' : `\u001b[${lines}A\u001b[J`);
