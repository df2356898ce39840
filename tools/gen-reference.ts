/**
 * Writes the pages of docs/reference that the code itself knows: what can be set, and how requests are refused.
 *
 *   npm run gen             writes them
 *   npm run gen -- --check  fails when the tree holds something else (a stage of `npm test`)
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { ERROR_TABLE } from '@ekiden/marathon-api';
import { describeOptions, type OptionSchema } from '@ekiden/service';
import { agentOptions } from '../apps/agent/src/options.js';
import { createProgram } from '../apps/cli/src/program.js';
import { masterOptions } from '../apps/master/src/master-options.js';
import { apiOptions } from '../apps/paas-api/src/api-options.js';

const FOLDER = 'docs/reference';
const HELP_WIDTH = 160;

const page = (title: string, from: string, text: string): string => `<!-- Made by \`npm run gen\` from ${from}: change it there. -->\n\n# ${title}\n\n${text}`;

const block = (text: string): string => `\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`;

function optionsPage(): string {
  const parts: readonly (readonly [string, string, OptionSchema])[] = [
    ['master', 'gives offers to frameworks and carries launches to agents', masterOptions],
    ['agent', 'runs tasks on one machine', agentOptions],
    ['api', "serves Marathon's API and Ekiden's own", apiOptions],
  ];
  const sections = parts.map(([name, says, schema]) => `## ekiden ${name}\n\nThe part that ${says}.\n\n${block(describeOptions(schema))}`);
  const intro =
    'A flag wins over the environment, the environment over the default. A wrong or unknown option stops the start and is named.\n' +
    'Secrets come from the environment or from a file only, since everybody on a machine can read arguments.\n' +
    '`npm start` hands its environment to the parts, so whatever has a variable below can be set there too.\n';
  return page('Options', 'the declarations of the parts', [intro, `## npm start (ekiden up)\n\n${block(upHelp())}`, ...sections].join('\n'));
}

/** The help of `ekiden up`, at a width that does not depend on who asks. */
function upHelp(): string {
  const ignore = (): void => undefined;
  const program = createProgram({
    out: ignore,
    tell: ignore,
    env: {},
    home: '.',
    isInteractive: false,
    screen: null,
    hasColours: false,
    now: () => 0,
    exitWith: ignore,
  });
  const up = program.commands.find((command) => command.name() === 'up');
  if (up === undefined) throw new Error('the command line has no `up`');
  up.configureOutput({ getOutHelpWidth: () => HELP_WIDTH });
  return up.helpInformation().split('Options:\n')[1] ?? '';
}

function errorsPage(): string {
  const rows = Object.entries(ERROR_TABLE)
    .sort(([codeA, a], [codeB, b]) => a.status - b.status || (codeA < codeB ? -1 : 1))
    .map(([code, { status, remedy }]) => `| ${status} | \`${code}\` | ${remedy.replaceAll('|', '\\|')} |`);
  const intro =
    'Every refusal names the thing, the rule and, where a body has a place for it, the field: `{"message": …, "details": [{"path": "/mem", "errors": […]}]}`.\n' +
    'The code is the kind of refusal inside Ekiden, in its logs and in the command line; on the wire it is the status and the message.\n';
  return page('Refusals', 'libs/marathon-api/src/error-table.ts', `${intro}\n| status | kind | what to do |\n| --- | --- | --- |\n${rows.join('\n')}\n`);
}

const pages: Readonly<Record<string, string>> = { [`${FOLDER}/options.md`]: optionsPage(), [`${FOLDER}/errors.md`]: errorsPage() };
const isCheck = process.argv.includes('--check');
let stale = 0;
mkdirSync(FOLDER, { recursive: true });
for (const [path, text] of Object.entries(pages)) {
  if (!isCheck) writeFileSync(path, text);
  else if (readOrEmpty(path) !== text) {
    stale += 1;
    console.log(`${path} is not what the code says: run \`npm run gen\` and commit it`);
  }
}
process.exitCode = stale === 0 ? 0 : 1;

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // Not there: stale as well.
  }
}
