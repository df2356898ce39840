/**
 * Specs that people wrote for Marathon, against what Marathon 1.11 is expected to answer.
 *
 * Our answer may differ in one way only: `not-supported` for what is not built yet. The corpus is not part of this repository.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { EkidenError } from '@ekiden/model';
import { normalizeApp, parseBody } from '@ekiden/marathon-api';

const CORPUS = resolve(__dirname, '../../../../shared/corpus');
const isThere = existsSync(resolve(CORPUS, 'README.md'));

interface Expectation {
  readonly file: string;
  readonly kind: string;
  readonly expected: string;
  readonly why: string;
}

function expectations(): Expectation[] {
  const readme = readFileSync(resolve(CORPUS, 'README.md'), 'utf8');
  return readme.split('\n').flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    const [, file = '', kind = ''] = cells;
    return /^\d{3}-/.test(file) ? [{ file, kind, expected: cells[cells.length - 3] ?? '', why: cells[cells.length - 2] ?? '' }] : [];
  });
}

type Outcome = 'accepted' | EkidenError['code'];

function outcomeOf(body: unknown): Outcome {
  try {
    normalizeApp({ body, id: null, current: null, partial: false }, { defaultRole: '*' });
    return 'accepted';
  } catch (error) {
    if (error instanceof EkidenError) return error.code;
    throw error;
  }
}

/** The apps of a file: itself, the elements of an array, or a saved answer's `apps`. */
function appsIn(kind: string, body: unknown): unknown[] {
  if (kind === 'apps' && Array.isArray(body)) return body;
  if (kind === 'applist' && typeof body === 'object' && body !== null && 'apps' in body && Array.isArray(body.apps)) return body.apps;
  return [body];
}

const rows = isThere ? expectations() : [];
const files = isThere ? readdirSync(resolve(CORPUS, 'marathon')) : [];
const textOf = (file: string): string => readFileSync(resolve(CORPUS, 'marathon', file), 'utf8');

(isThere ? describe : describe.skip)(`the corpus of real specs (skipped when ${CORPUS} is not there)`, () => {
  it('is complete', () => {
    expect(rows.map((row) => row.file).filter((file) => !files.includes(file))).toEqual([]);
    expect(rows.length).toBeGreaterThan(100);
  });

  it('is not JSON where it says so', () => {
    for (const row of rows.filter(({ kind }) => kind === 'malformed' || kind === 'template')) {
      expect(() => parseBody(textOf(row.file))).toThrow(expect.objectContaining({ code: 'not-json' }));
    }
  });

  const apps = rows.filter(({ kind }) => ['app', 'apps', 'applist'].includes(kind));

  it('is accepted where Marathon accepts, or refused as not built yet', () => {
    const surprises = apps
      .filter(({ expected }) => expected === 'accept')
      .flatMap(({ file, kind }) => appsIn(kind, parseBody(textOf(file))).map((body) => ({ file, outcome: outcomeOf(body) })))
      .filter(({ outcome }) => outcome !== 'accepted' && outcome !== 'not-supported');
    expect(surprises).toEqual([]);
  });

  it('is refused where Marathon refuses', () => {
    const surprises = apps
      .filter(({ expected }) => expected !== 'accept')
      .filter(({ file, kind }) => appsIn(kind, parseBody(textOf(file))).every((body) => outcomeOf(body) === 'accepted'))
      .map(({ file, why }) => ({ file, why }));
    expect(surprises).toEqual([]);
  });

  it('holds enough apps that run here to mean something', () => {
    const accepted = apps.filter(({ file, kind }) => appsIn(kind, parseBody(textOf(file))).every((body) => outcomeOf(body) === 'accepted'));
    expect(accepted.length).toBeGreaterThanOrEqual(15);
  });
});
