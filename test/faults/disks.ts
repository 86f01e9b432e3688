import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { partDirectories } from '../../scripts/stack/stack-file.ts';
import { mib } from '../../workflows/domain/units.ts';
import { mountSmallDisk, type SmallDisk } from '../harness/small-disk.ts';

export { whyNoDisks } from '../harness/small-disk.ts';

export type Disk = 'store' | 'target';

/** A server keeps 100 MiB of journal ahead of itself, twice; what the data takes is small beside that. */
const diskBytes = mib(768);

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

export async function mountDisks(): Promise<Disks> {
  const disks: Record<Disk, SmallDisk> = { store: await mountSmallDisk(diskBytes), target: await mountSmallDisk(diskBytes) };
  return {
    layOut: (home) => {
      symlinkSync(disks.store.directory, join(home, partDirectories.objectStore));
      symlinkSync(disks.target.directory, join(home, 'disk'));
    },
    fill: (disk) => disks[disk].fill(),
    makeRoom: (disk) => disks[disk].makeRoom(),
    unmount: async () => {
      for (const disk of Object.values(disks)) await disk.unmount();
    },
  };
}
