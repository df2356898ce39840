/**
 * A machine's network for tests that change it: the file runs again inside of namespaces of its own, with nothing but a loopback and a
 * cable to a neighbour. The interfaces, rules and network namespaces of the real machine are out of reach, and all that is made in
 * there is gone with the last process.
 */
import { spawnSync } from 'node:child_process';

/** Set inside. */
export const INSIDE = 'EKIDEN_TEST_OWN_NETWORK';
/** The address of "the machine". */
export const MACHINE_ADDRESS = '198.18.5.1';
/** Another machine beside it: a network namespace of this name, at the other end of a cable. */
export const NEIGHBOUR = 'neighbour';
export const NEIGHBOUR_ADDRESS = '198.18.5.2';

const PREPARE = [
  'set -e',
  'mkdir -p /run/netns && mount -t tmpfs -o size=1m,mode=0755 own /run/netns',
  'ip link set lo up',
  `ip netns add ${NEIGHBOUR}`,
  `ip link add name out0 type veth peer name out1 netns ${NEIGHBOUR}`,
  `ip address add ${MACHINE_ADDRESS}/24 dev out0`,
  'ip link set out0 up',
  `ip -n ${NEIGHBOUR} address add ${NEIGHBOUR_ADDRESS}/24 dev out1`,
  `ip -n ${NEIGHBOUR} link set out1 up`,
  'exec "$@"',
].join('\n');
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const RUN_TIMEOUT_MS = 15 * 60_000;

/** A command line that runs another one inside. */
export const wordsInOwnNetwork = (words: readonly string[]): readonly string[] => [
  'unshare',
  '--net',
  '--mount',
  '--',
  '/bin/sh',
  '-c',
  PREPARE,
  'own',
  ...words,
];

/** `define` defines the tests of the file. Outside there is one, which runs them all inside. */
export function inOwnNetwork(file: string, define: () => void): void {
  if (process.env[INSIDE] !== undefined) return define();
  it(
    'holds in a network of its own',
    () => {
      const jest = [process.execPath, 'node_modules/jest/bin/jest.js', '--selectProjects', 'nightly', '--runInBand', '--forceExit', '--runTestsByPath', file];
      const named = expect.getState().testNamePattern;
      const [program = '', ...args] = wordsInOwnNetwork([...jest, ...(named ? ['-t', String(named)] : [])]);
      const inside = spawnSync(program, args, {
        env: { ...process.env, [INSIDE]: 'yes' },
        encoding: 'utf8',
        maxBuffer: MAX_OUTPUT_BYTES,
        timeout: RUN_TIMEOUT_MS,
      });
      if (inside.status !== 0) throw new Error(`inside of a network of its own:\n${inside.stdout}\n${inside.stderr}\n${String(inside.error ?? '')}`);
      if (process.env['EKIDEN_TEST_VERBOSE'] !== undefined) process.stdout.write(inside.stderr);
    },
    RUN_TIMEOUT_MS,
  );
  return undefined;
}
