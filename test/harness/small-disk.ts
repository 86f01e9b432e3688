import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTool } from '../../activities/tool/run-tool.ts';
import { mib } from '../../workflows/domain/units.ts';
import { skipWithout } from './required-parts.ts';

const filler = 'filler';

/** A disk of a test's own, in memory, that can be full. */
export interface SmallDisk {
  directory: string;
  /** So much stays free, and no more. */
  leave(bytes: number): void;
  /** No byte stays free. */
  fill(): void;
  /** As a person makes room: what filled it goes. */
  makeRoom(): void;
  unmount(): Promise<void>;
}

export async function mountSmallDisk(bytes: number): Promise<SmallDisk> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-disk-'));
  try {
    await runTool({ path: '/bin/mount' }, ['-t', 'tmpfs', '-o', `size=${bytes}`, 'holdfast-disk', directory]);
  } catch (error) {
    rmSync(directory, { recursive: true });
    throw error;
  }
  let fillers = 0;
  const write = (size: number): boolean => writeFiller(join(directory, `${filler}-${(fillers += 1)}`), size);
  return {
    directory,
    leave: (wanted) => {
      const { bavail, bsize } = statfsSync(directory);
      for (let left = bavail * bsize - wanted; left > 0; left -= mib(32)) write(Math.min(left, mib(32)));
    },
    fill: () => {
      // Pieces that halve: the last byte goes too.
      for (let size = mib(32); size >= 512; ) if (!write(size)) size >>= 1;
    },
    makeRoom: () => {
      for (const name of readdirSync(directory)) if (name.startsWith(filler)) rmSync(join(directory, name));
    },
    unmount: async () => {
      // Lazily: a server that was killed may let go of its files a moment later.
      await runTool({ path: '/bin/umount' }, ['-l', directory]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** @returns a reason where no disk can be mounted here; null where one can. */
export async function whyNoDisks(): Promise<string | null> {
  try {
    await (await mountSmallDisk(mib(1))).unmount();
    return null;
  } catch (error) {
    return skipWithout('disks', `no disk can be mounted here: ${(error as Error).message.split('\n')[0]}`);
  }
}

/** @returns false when it did not fit whole. */
function writeFiller(path: string, bytes: number): boolean {
  const file = openSync(path, 'a');
  try {
    return writeSync(file, Buffer.alloc(bytes)) === bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    return false;
  } finally {
    closeSync(file);
  }
}
