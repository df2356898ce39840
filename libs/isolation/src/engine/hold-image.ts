/**
 * The image of the containers that hold a network open: one program, which does nothing for ever. Made here, byte by byte, so that no
 * registry is asked and nothing has to be installed. It is told to an engine once; one that was pruned is told again.
 */
import { Header } from 'tar';
import type { EngineClient } from './engine-client.js';
import { fieldIn, textIn } from './engine-client.js';

const REPOSITORY = 'ekiden-network';
/** Grows with the program: an older one stays with the containers that were made from it. */
const TAG = '1';
export const HOLD_IMAGE = `${REPOSITORY}:${TAG}`;
export const HOLD_COMMAND = '/hold';

interface Machine {
  /** `e_machine` of ELF. */
  readonly elf: number;
  /** Waits for a signal, and does so again. */
  readonly code: readonly number[];
}

/** As engines name them: Docker as `uname -m` does, podman as Go. */
const X86_64: Machine = {
  elf: 62,
  // mov eax, 34 (pause); syscall; jmp back
  code: [0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7],
};
const AARCH64: Machine = {
  elf: 183,
  // mov x0..x3, 0; mov x8, 73 (ppoll); svc 0; b back
  code: [0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800928, 0xd4000001, 0x17fffffa].flatMap(littleEndian),
};
const MACHINES: Readonly<Record<string, Machine>> = { x86_64: X86_64, amd64: X86_64, aarch64: AARCH64, arm64: AARCH64 };

const LOAD_ADDRESS = 0x400000;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const PAGE_BYTES = 0x1000;
const TAR_BLOCK_BYTES = 512;

/** Whether there is a program for the engine's machine. */
export const canHold = (architecture: string): boolean => Object.hasOwn(MACHINES, architecture);

/** Harmless when it is there. Rejects with what the engine says. */
export async function importHoldImage(client: EngineClient, architecture: string): Promise<void> {
  const lines = await client.send('POST', '/images/create?fromSrc=-', 'application/x-tar', tarOf(holdProgram(architecture)));
  const news = lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line): unknown => JSON.parse(line));
  const failure = news.map((each) => textIn(each, 'error') || textIn(fieldIn(each, 'errorDetail'), 'message')).find((text) => text !== '');
  const id = news.map((each) => textIn(each, 'status')).findLast((text) => text.startsWith('sha256:'));
  if (failure !== undefined || id === undefined) throw new Error(`the image that holds networks cannot be made: ${failure ?? 'the engine names no image'}`);
  // podman does not take the name along with the content.
  await client.call('POST', `/images/${id}/tag?repo=${REPOSITORY}&tag=${TAG}`);
}

/** Pure: an ELF file of one segment, which is all of it. */
export function holdProgram(architecture: string): Buffer {
  const machine = MACHINES[architecture];
  if (machine === undefined) throw new Error(`there is no program to hold a network for ${architecture}: only for ${Object.keys(MACHINES).join(', ')}`);
  const headers = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
  const size = headers + machine.code.length;
  const file = Buffer.alloc(size);
  // 64 bits, little-endian, version 1.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16); // executable
  file.writeUInt16LE(machine.elf, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS + headers), 24); // entry
  file.writeBigUInt64LE(BigInt(ELF_HEADER_BYTES), 32); // program headers
  file.writeUInt16LE(ELF_HEADER_BYTES, 52);
  file.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // loaded
  file.writeUInt32LE(5, 68); // to be read and executed
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 80);
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 88);
  file.writeBigUInt64LE(BigInt(size), 96);
  file.writeBigUInt64LE(BigInt(size), 104);
  file.writeBigUInt64LE(BigInt(PAGE_BYTES), 112);
  file.set(machine.code, headers);
  return file;
}

/** Pure: an archive of one executable file. */
function tarOf(program: Buffer): Buffer {
  const head = new Header({ path: HOLD_COMMAND.slice(1), mode: 0o755, size: program.length, type: 'File', uid: 0, gid: 0, mtime: new Date(0) });
  head.encode();
  const padding = Buffer.alloc((TAR_BLOCK_BYTES - (program.length % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES);
  return Buffer.concat([head.block ?? Buffer.alloc(0), program, padding, Buffer.alloc(2 * TAR_BLOCK_BYTES)]);
}

function littleEndian(word: number): readonly number[] {
  return [0, 8, 16, 24].map((bits) => (word >>> bits) & 0xff);
}
