import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataDirectory, parseSavedPorts } from './data-directory.js';

const fresh = (): string => join(mkdtempSync(join(tmpdir(), 'ekiden-data-')), '.ekiden');
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('the data directory', () => {
  it('is for its owner only, secrets included', () => {
    const directory = openDataDirectory(fresh());
    expect([modeOf(directory.path), modeOf(directory.agent(1)), modeOf(directory.tokenFile('join'))]).toEqual(['700', '700', '600']);
  });

  it('keeps its secrets and ports over a restart', () => {
    const path = fresh();
    const first = openDataDirectory(path);
    first.savePorts({ postgres: 5433, taskBlocks: [32000] });
    expect(openDataDirectory(path).token('join')).toBe(first.token('join'));
    expect(openDataDirectory(path).savedPorts()).toEqual({ postgres: 5433, taskBlocks: [32000] });
  });

  it('does not invent a new password for an old database', () => {
    const directory = openDataDirectory(fresh());
    mkdirSync(directory.postgres);
    expect(() => directory.token('postgres-admin')).toThrow('postgres-admin is missing');
  });

  it('refuses a file in its place', () => {
    const path = fresh();
    rmSync(path, { force: true });
    writeFileSync(path, '');
    expect(() => openDataDirectory(path)).toThrow(`${path} is a file, not a directory`);
  });

  it('refuses a directory with other things in it, and leaves its mode alone', () => {
    const path = mkdtempSync(join(tmpdir(), 'ekiden-data-'));
    chmodSync(path, 0o755);
    writeFileSync(join(path, 'holiday.jpg'), '');
    expect(() => openDataDirectory(path)).toThrow('holds other files');
    expect(modeOf(path)).toBe('755');
    rmSync(join(path, 'holiday.jpg'));
    openDataDirectory(path);
    writeFileSync(join(path, 'notes'), '');
    expect(() => openDataDirectory(path)).not.toThrow();
  });

  it('chooses ports anew when their file is damaged', () => {
    expect(parseSavedPorts('{"v":1,"postgres":')).toEqual({ postgres: null, taskBlocks: [] });
    expect(parseSavedPorts('{"v":99,"postgres":1}')).toEqual({ postgres: null, taskBlocks: [] });
  });
});
