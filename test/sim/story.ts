/**
 * What a failing run prints, for somebody who is woken by it: the promise broken, who believes what about the app or instance
 * concerned, the last events of each part about it, and the last lines of all.
 *
 * Times are relative to the start of the run (`+minutes:seconds`), ids are shortened (`~1f` is the uuid that ends so), lines are cut.
 */
import { safePath } from '@ekiden/model';
import { beliefsAbout, everybody } from './who-believes-what.js';
import { readSubjects, type Subject } from './story-subject.js';
import { inShort, relative, wrapped } from './story-text.js';
import type { Clients } from './workloads/clients.js';
import type { LogLine } from './world/log-book.js';
import type { World } from './world/world.js';

const MAX_SUBJECTS = 2;
const LINES_OF_EACH_PART = 14;
const FAULTS_TOLD = 14;
const LAST_LINES = 40;
const PART_WIDTH = 16;
const BREACH_INDENT = 4;
const BELIEF_INDENT = 19;

const TITLES: Readonly<Record<string, string>> = {
  '1': 'Nothing acknowledged is lost',
  '2': 'No surprise processes',
  '3': 'No over-commit',
  '4': 'Roll-outs keep their word',
  '5': 'Every end is learnt',
  '6': 'Services outlive Ekiden',
  '7': 'Fair and bounded',
  '8': 'Every refusal explains itself',
  master: 'The master’s books are right',
  api: 'What the API records follows its rules',
  link: 'Connections are what their ends believe, and carry what is said',
  record: 'Record first, then speak',
  rest: 'Once the faults stop, all becomes right, and nothing is left over',
  liveness: 'Once the faults stop, all becomes right',
  error: 'No part fails by an error of its own',
};

/** The number of the promise that this breach breaks, or a word for what has none. */
export function promiseOf(breach: string): string {
  const start = /^(\d|master|api|link|record|rest)(?:[a-z]|-[a-z])?[.:] /.exec(breach)?.[1];
  if (start !== undefined) return start;
  return /^(still not right|what had converged|unlike what)/.test(breach) ? 'liveness' : 'error';
}

/** `breaches`: at least one, in words. `began`: when the run did, virtual. */
export function tellStory(world: World, clients: Clients, began: number, breaches: readonly string[]): string {
  const promise = promiseOf(breaches[0] ?? '');
  const subjects = readSubjects(world, breaches).slice(0, MAX_SUBJECTS);
  return [
    `PROMISE BROKEN: ${promise}. ${TITLES[promise] ?? ''}`,
    ...breaches.flatMap((breach) => breach.split('\n')).flatMap((line) => wrapped(`  ${line}`, began, BREACH_INDENT)),
    `  at ${relative(world.clock.now(), began)} of virtual time`,
    '',
    'WHO IS THERE',
    ...everybody(world).map((line) => `  ${inShort(line, began)}`),
    ...subjects.flatMap((subject) => chapter(world, clients, began, subject)),
    '',
    `THE LAST FAULTS AND USERS`,
    ...printed(world.log.last(FAULTS_TOLD, (line) => line.from === 'fate'), began), // prettier-ignore
    '',
    'THE LAST LINES OF ALL',
    ...printed(world.log.last(LAST_LINES, (line) => line.level !== 'debug'), began), // prettier-ignore
  ].join('\n');
}

function chapter(world: World, clients: Clients, began: number, subject: Subject): string[] {
  const name = subject.instanceId ?? subject.appId;
  const about = world.log.last(Number.MAX_SAFE_INTEGER, (line) => isAbout(line, subject));
  const parts = [...new Set(about.map((line) => partOf(line.from)))].sort();
  return [
    '',
    inShort(`WHO BELIEVES WHAT ABOUT ${name}`, began),
    ...beliefsAbout(world, clients, subject).flatMap((line) => wrapped(`  ${line}`, began, BELIEF_INDENT)),
    ...parts.flatMap((part) => [
      '',
      inShort(`THE LAST EVENTS OF ${part} ABOUT ${name}`, began),
      ...printed(about.filter((line) => partOf(line.from) === part).slice(-LINES_OF_EACH_PART), began),
    ]),
  ];
}

/** Of an instance: whatever names it, and what users asked for its app. Of an app: whatever names it or an instance of it. */
function isAbout({ event, fields }: LogLine, { appId, instanceId }: Subject): boolean {
  const text = `${event} ${JSON.stringify(fields)}`;
  if (instanceId !== null) return text.includes(instanceId) || event.startsWith(`${appId}:`);
  return text.includes(appId) || text.includes(`${safePath(appId)}.instance-`);
}

const partOf = (from: string): string => from.split('#')[0] ?? from;

function printed(lines: readonly LogLine[], began: number): string[] {
  return lines.map(({ at, from, level, event, fields }) => {
    const told = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
    const loud = level === 'warn' || level === 'error' ? `${level.toUpperCase()} ` : '';
    return `  ${relative(at, began)} ${from.padEnd(PART_WIDTH)} ${inShort([loud + event, ...told].join(' '), began, PART_WIDTH + 14)}`;
  });
}
