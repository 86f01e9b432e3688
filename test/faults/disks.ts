import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, symlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTool } from '../../activities/tool/run-tool.ts';
import { partDirectories } from '../../scripts/stack/stack-file.ts';
import { mib } from '../../workflows/domain/units.ts';

export type Disk = 'store' | 'target';

/** A server keeps 100 MiB of journal ahead of itself, twice; what the data takes is small beside that. */
const diskBytes = mib(768);
const filler = 'filler';

/** Two small disks, in memory: the object store's and the restore target's. */
export interface Disks {
  /** Puts the disks where a stack in `home` has its store and its restore target. */
  layOut(home: string): void;
  /** Leaves no byte free. */
  fill(disk: Disk): void;
  /** As a person makes room. */
  makeRoom(disk: Disk): void;
  unmount(): Promise<void>;
}

const mount = { path: '/bin/mount' };
const umount = { path: '/bin/umount' };

async function mountDisk(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-disk-'));
  try {
    await runTool(mount, ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'holdfast-disk', directory]);
    return directory;
  } catch (error) {
    rmSync(directory, { recursive: true });
    throw error;
  }
}

async function unmountDisk(directory: string): Promise<void> {
  // Lazily: a server that was killed may let go of its files a moment later.
  await runTool(umount, ['-l', directory]);
  rmSync(directory, { recursive: true, force: true });
}

/** @returns a reason where no disk can be mounted here; null where one can. */
export async function whyNoDisks(): Promise<string | null> {
  try {
    await unmountDisk(await mountDisk());
    return null;
  } catch (error) {
    return `no disk can be mounted here: ${(error as Error).message.split('\n')[0]}`;
  }
}

export async function mountDisks(): Promise<Disks> {
  const directories: Record<Disk, string> = { store: await mountDisk(), target: await mountDisk() };
  const fillerOf = (disk: Disk, n: number): string => join(directories[disk], `${filler}-${n}`);
  return {
    layOut: (home) => {
      symlinkSync(directories.store, join(home, partDirectories.objectStore));
      symlinkSync(directories.target, join(home, 'disk'));
    },
    fill: (disk) => {
      // Pieces that halve: the last byte goes too.
      for (let bytes = mib(32), n = 0; bytes >= 512; n += 1) if (!writeFiller(fillerOf(disk, n), bytes)) bytes >>= 1;
    },
    makeRoom: (disk) => {
      for (const name of readdirSync(directories[disk])) if (name.startsWith(filler)) rmSync(join(directories[disk], name));
    },
    unmount: async () => {
      for (const directory of Object.values(directories)) await unmountDisk(directory);
    },
  };
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
