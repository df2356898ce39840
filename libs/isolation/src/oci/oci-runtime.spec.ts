/** How crun and runc are told to leave control groups alone, and who enters a container that the other one has made. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { enterContainer } from './enter-container.js';
import { keepOffGroups, runtimeWords } from './oci-runtime.js';
import { BUNDLE_DIR, CONTAINER_NAME, ENTER_FILE, STATE_DIR, type ContainerTools } from './plan-container.js';

const HYBRID = { v1: ['/cg/cpu', '/cg/memory'], v2: ['/cg/unified'] };
const UNIFIED = { v1: [], v2: ['/cg'] };
const TOOLS = { mount: '/bin/mount', umount: '/bin/umount' };

it('takes the tree from crun that it refuses to see, where both versions are there', () => {
  expect(runtimeWords({ kind: 'crun', path: '/bin/crun' }, '/s')).toEqual(['/bin/crun', '--cgroup-manager=disabled', '--root', '/s']);
  expect(keepOffGroups('crun', HYBRID, TOOLS)).toEqual([['/bin/umount', '/cg/unified']]);
  expect(keepOffGroups('crun', UNIFIED, TOOLS)).toEqual([]);
});

it('lets runc write to no tree, and bear it', () => {
  expect(runtimeWords({ kind: 'runc', path: '/bin/runc' }, '/s')).toEqual(['/bin/runc', '--rootless=true', '--root', '/s']);
  const readOnly = (path: string): string[] => ['/bin/mount', '-o', 'remount,bind,ro', path];
  expect(keepOffGroups('runc', HYBRID, TOOLS)).toEqual([readOnly('/cg/cpu'), readOnly('/cg/memory'), readOnly('/cg/unified')]);
  expect(keepOffGroups('runc', UNIFIED, TOOLS)).toEqual([readOnly('/cg')]);
});

describe('a container is entered', () => {
  let runDir: string;
  beforeEach(() => {
    runDir = mkdtempSync(join(tmpdir(), 'ekiden-enter-'));
    mkdirSync(join(runDir, BUNDLE_DIR));
    mkdirSync(join(runDir, STATE_DIR, CONTAINER_NAME), { recursive: true });
    writeFileSync(join(runDir, ENTER_FILE), '');
    writeFileSync(join(runDir, BUNDLE_DIR, 'config.json'), JSON.stringify({ process: { user: { uid: 5, gid: 6 }, noNewPrivileges: true } }));
  });
  afterEach(() => rmSync(runDir, { recursive: true, force: true }));
  const tools = (runtimes: ContainerTools['runtimes']): ContainerTools => ({
    ...{ runtime: { kind: 'crun', path: '/bin/crun' }, runtimes, groupTrees: UNIFIED, unshare: '/bin/unshare', init: '/bin/tini' },
    ...TOOLS,
  });
  const madeByRunc = (): void => writeFileSync(join(runDir, STATE_DIR, CONTAINER_NAME, 'state.json'), '{}');

  it('by the one that made it, as its user', () => {
    const both = tools({ crun: '/bin/crun', runc: '/bin/runc' });
    const asUser = ['exec', '--user', '5:6', '--no-new-privs'];
    expect(enterContainer(runDir, both, '/bin/sh', null)).toEqual([
      ...runtimeWords({ kind: 'crun', path: '/bin/crun' }, join(runDir, STATE_DIR)),
      ...asUser,
      'task',
    ]);
    madeByRunc();
    const words = enterContainer(runDir, both, '/bin/sh', null) ?? [];
    expect(words[0]).toBe('/bin/unshare');
    expect(words.join(' ')).toContain(['/bin/runc', '--rootless=true', '--root', join(runDir, STATE_DIR), ...asUser, 'task'].join(' '));
  });

  it('by nobody, where that one is gone: the reason names it', () => {
    madeByRunc();
    expect(() => enterContainer(runDir, tools({ crun: '/bin/crun', runc: null }), '/bin/sh', null)).toThrow('made by runc, which is gone from this machine');
  });
});
