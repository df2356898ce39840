/** `ekiden events`: the event stream of the API, a line an event, until Ctrl-C. */
import type { Command } from 'commander';
import { readEvents } from '../api/event-stream.js';
import { eventText } from '../render/event-text.js';
import { contextOf, type Terminal } from './context.js';

export function eventsCommand(program: Command, terminal: Terminal): void {
  program
    .command('events')
    .summary('follow what happens')
    .option('-t, --type <type...>', 'only events of these types')
    .addHelpText('after', '\nExamples:\n  ekiden events\n  ekiden events -t status_update_event -o json | jq .taskStatus')
    .action(async (options: { type?: string[] }, command: Command) => {
      const context = contextOf(command, terminal);
      const stream = await context.api.events(options.type ?? [], new AbortController().signal);
      for await (const event of readEvents(stream)) context.out(context.json ? JSON.stringify(event.data) : eventText(event.type, event.data));
      context.tell('the stream has ended: the API was stopped, or another one leads now');
      context.exitWith(1);
    });
}
