/**
 * Boots a kernel with an archive as its first file system in qemu, and answers all that it said on its serial line.
 *
 * The processor is emulated: no machine needs /dev/kvm for it, and every clock in there runs a few times slower than ours.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const QEMU = 'qemu-system-x86_64';
/** Booting, and whatever runs in there. */
const LIMIT_MS = 900_000;
const MAX_OUTPUT = 4 * 1024 * 1024;

/** A Debian kernel for clouds, unpacked (not installed) by .ci/run: everything that a guest needs is built in. Null: there is none. */
export function findKernel(dir = process.env['EKIDEN_GUEST_KERNEL'] ?? '/var/cache/ekiden-guest/boot'): string | null {
  const kernels = existsSync(dir) ? readdirSync(dir).filter((name) => name.startsWith('vmlinuz-')) : [];
  const newest = kernels.sort().at(-1);
  return newest === undefined ? null : join(dir, newest);
}

/** `more`: further words for the kernel. Rejects when it cannot be started, or does not end. */
export async function runGuest(kernel: string, archive: string, more = ''): Promise<string> {
  const args = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-M', 'q35', '-m', '1536', '-smp', '2'];
  args.push('-accel', 'tcg,thread=multi', '-cpu', 'max', '-kernel', kernel, '-initrd', archive, '-serial', 'stdio');
  args.push('-append', `console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on ${more}`);
  const guest = spawn(QEMU, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  guest.stdout.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-MAX_OUTPUT)));
  const limit = setTimeout(() => guest.kill('SIGKILL'), LIMIT_MS);
  try {
    await new Promise((resolve, reject) => {
      guest.once('error', (error) => reject(new Error(`${QEMU} cannot be started (package qemu-system-x86): ${String(error)}`)));
      guest.once('close', resolve);
    });
  } finally {
    clearTimeout(limit);
  }
  return said;
}
