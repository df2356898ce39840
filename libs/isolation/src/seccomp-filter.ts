/**
 * The filter of system calls as the kernel's classic BPF program, which bwrap(1) loads from a file. Pure.
 *
 * Allowed is what is not listed: a service is never surprised by a new kernel's call. Listed is what changes the machine
 * itself, reaches around the file system's rights or has been a way out before; each answers EPERM.
 */

const AUDIT_ARCH = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;
export type SeccompArch = keyof typeof AUDIT_ARCH;

/** System call numbers: of x86-64, then of arm64 (null: that one has no such call). */
const REFUSED: Readonly<Record<string, readonly [number, number | null]>> = {
  uselib: [134, null],
  ustat: [136, null],
  sysfs: [139, null],
  pivot_root: [155, 41],
  _sysctl: [156, null],
  adjtimex: [159, 171],
  acct: [163, 89],
  settimeofday: [164, 170],
  mount: [165, 40],
  umount2: [166, 39],
  swapon: [167, 224],
  swapoff: [168, 225],
  reboot: [169, 142],
  iopl: [172, null],
  ioperm: [173, null],
  init_module: [175, 105],
  delete_module: [176, 106],
  quotactl: [179, 60],
  nfsservctl: [180, 42],
  lookup_dcookie: [212, 18],
  clock_settime: [227, 112],
  kexec_load: [246, 104],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  unshare: [272, 97],
  perf_event_open: [298, 241],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  clock_adjtime: [305, 266],
  setns: [308, 268],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  kcmp: [312, 272],
  finit_module: [313, 273],
  kexec_file_load: [320, 294],
  bpf: [321, 280],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  pidfd_getfd: [438, 438],
  mount_setattr: [442, 442],
};

/** linux/bpf_common.h and linux/seccomp.h. */
const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const RETURN = 0x06;
const OFFSET_OF_NUMBER = 0;
const OFFSET_OF_ARCH = 4;
const X32_BIT = 0x40000000;
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const ERRNO_EPERM = 0x00050001;
const INSTRUCTION_BYTES = 8;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

/** Null: nobody has written down the numbers of this processor. */
export const seccompArch = (arch: string): SeccompArch | null => (arch === 'x64' || arch === 'arm64' ? arch : null);

/** The bytes of the program. */
export function seccompProgram(arch: SeccompArch): Buffer {
  const numbers = Object.values(REFUSED).flatMap(([x64, arm64]) => (arch === 'x64' ? x64 : (arm64 ?? [])));
  const refusals = numbers.flatMap((number): Instruction[] => [
    [JUMP_EQUAL, 0, 1, number],
    [RETURN, 0, 0, ERRNO_EPERM],
  ]);
  return assemble([
    [LOAD_WORD, 0, 0, OFFSET_OF_ARCH],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[arch]],
    [RETURN, 0, 0, KILL_PROCESS],
    [LOAD_WORD, 0, 0, OFFSET_OF_NUMBER],
    // The x32 calls of x86-64 have numbers of their own.
    [JUMP_AT_LEAST, 0, 1, X32_BIT],
    [RETURN, 0, 0, ERRNO_EPERM],
    ...refusals,
    [RETURN, 0, 0, ALLOW],
  ]);
}

function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * INSTRUCTION_BYTES);
  for (const [index, [code, ifTrue, ifFalse, value]] of program.entries()) {
    const at = index * INSTRUCTION_BYTES;
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt8(ifTrue, at + 2);
    bytes.writeUInt8(ifFalse, at + 3);
    bytes.writeUInt32LE(value, at + 4);
  }
  return bytes;
}
