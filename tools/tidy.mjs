// Our own rules, which linters cannot hold: every source file says why it exists, no stray index.ts, no file past 400
// lines, links in the documents resolve, nothing of the machine in the tree. Prints each breach; exits 1 when there is one.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const MAX_LINES = 400;
const FORBIDDEN_FOLDERS = /(^|\/)(common|shared|utils|helpers)\//;

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && existsSync(file));
const breaches = [];

for (const file of files.filter((name) => /^(apps|libs|migrations|test|tools)\/.*\.(ts|mjs|cjs)$/.test(name))) {
  const text = readFileSync(file, 'utf8');
  const lines = text.split('\n').length;
  const isTest = /\.(spec|store-spec|e2e-spec)\.ts$/.test(file);
  if (!isTest && !/^(#![^\n]*\n)?(\/\*\*|\/\/)/.test(text)) breaches.push(`${file}: opens without saying why it exists`);
  if (lines > MAX_LINES && !isTest) breaches.push(`${file}: ${lines} lines, at most ${MAX_LINES}: split along the flow`);
  if (/^apps\/.*\/index\.ts$/.test(file)) breaches.push(`${file}: no index.ts inside an app`);
  if (FORBIDDEN_FOLDERS.test(file)) breaches.push(`${file}: a folder has a subject; there is no common, shared, utils or helpers`);
  if (/\bTODO\b(?!.*#\d)/.test(text) && file !== 'tools/tidy.mjs') breaches.push(`${file}: a TODO names its issue (#n)`);
  if (/@ts-(ignore|nocheck)/.test(text) && file !== 'tools/tidy.mjs') breaches.push(`${file}: the types are silenced`);
}

for (const file of files.filter((name) => name.endsWith('.md'))) {
  const text = readFileSync(file, 'utf8');
  for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    if (!existsSync(normalize(join(dirname(file), target)))) breaches.push(`${file}: link to ${target}, which is not there`);
  }
}

const indexes = files.filter((name) => /^libs\/[^/]+\/src\/index\.ts$/.test(name)).map((name) => name.split('/')[1]);
for (const lib of new Set(files.filter((name) => name.startsWith('libs/')).map((name) => name.split('/')[1]))) {
  if (!indexes.includes(lib)) breaches.push(`libs/${lib}: has no src/index.ts, its public face`);
}

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
if (!readFileSync('libs/service/src/version.ts', 'utf8').includes(`'${version}'`)) breaches.push(`libs/service/src/version.ts: package.json says ${version}`);

for (const breach of breaches) console.log(breach);
console.log(breaches.length === 0 ? `tidy: ${files.length} files` : `tidy: ${breaches.length} breaches`);
process.exit(breaches.length === 0 ? 0 : 1);
