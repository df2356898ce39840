/** A small disk of its own under an agent's directory: a tmpfs, which can be filled to the last byte and emptied again. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../libs/isolation/src/cgroup-driver.js';

/** Room for the checkpoints and sandboxes of a run. */
const SIZE = '24m';
const BLOCK_BYTES = 4_096;

export class SmallDisk {
  private constructor(private readonly place: string) {}

  static mount(place: string): SmallDisk {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=0700`, 'ekiden-chaos-disk', place], { stdio: 'ignore' });
    mkdirSync(join(place, 'work'), { mode: 0o700 });
    return new SmallDisk(place);
  }

  /** Not one byte is free afterwards. */
  fill(): void {
    const file = openSync(this.ballast, 'a');
    try {
      for (const bytes of [BLOCK_BYTES * 64, BLOCK_BYTES]) this.fillWith(file, Buffer.alloc(bytes));
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.ballast, { force: true });
  }

  remove(): void {
    execFileSync('umount', [this.place], { stdio: 'ignore' });
  }

  private get ballast(): string {
    return join(this.place, 'ballast');
  }

  private fillWith(file: number, block: Buffer): void {
    try {
      for (;;) writeSync(file, block);
    } catch (error) {
      if (!hasCode(error, 'ENOSPC')) throw error;
    }
  }
}
