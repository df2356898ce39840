/**
 * Boots a kernel with a disk in qemu, and answers all that it said on its serial line.
 *
 * The processor is emulated: no machine needs /dev/kvm for it, and every clock in there runs a few times slower than ours.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const QEMU = 'qemu-system-x86_64';
const MAX_OUTPUT = 4 * 1024 * 1024;
const PREFIX = 'vmlinuz-';

export interface GuestKernel {
  readonly version: string;
  readonly image: string;
  /** The directory of its modules. */
  readonly modules: string;
}

/** A Debian kernel for clouds, unpacked (not installed) by .ci/run: disks and file systems are built in. Null: there is none. */
export function findKernel(dir = process.env['EKIDEN_GUEST_KERNEL'] ?? '/var/cache/ekiden-guest'): GuestKernel | null {
  const boot = join(dir, 'boot');
  const kernels = existsSync(boot) ? readdirSync(boot).filter((name) => name.startsWith(PREFIX)) : [];
  const newest = kernels.sort().at(-1);
  if (newest === undefined) return null;
  const version = newest.slice(PREFIX.length);
  return { version, image: join(boot, newest), modules: join(dir, 'lib/modules', version) };
}

/** The disk's `/init` is run, and powers the machine off. Rejects when that cannot be started; it is cut off after `limitMs`. */
export async function runGuest(kernel: GuestKernel, disk: string, limitMs: number): Promise<string> {
  const args = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-M', 'q35', '-m', '2048', '-smp', '2'];
  args.push('-accel', 'tcg,thread=multi', '-cpu', 'max', '-kernel', kernel.image, '-serial', 'stdio');
  args.push('-drive', `file=${disk},format=raw,if=none,id=disk,cache=unsafe`, '-device', 'nvme,drive=disk,serial=disk');
  args.push('-append', `console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on root=/dev/nvme0n1 rw rootwait init=/init`);
  const guest = spawn(QEMU, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  guest.stdout.setEncoding('utf8').on('data', (chunk: string) => (said = (said + chunk).slice(-MAX_OUTPUT)));
  const limit = setTimeout(() => guest.kill('SIGKILL'), limitMs);
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
