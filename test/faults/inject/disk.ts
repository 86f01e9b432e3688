import { setTimeout as sleep } from 'node:timers/promises';
import { readPidFile } from '../../../activities/tool/start-server.ts';
import type { Bench } from '../bench.ts';
import { sees, type Strike } from '../cell.ts';
import type { Disk } from '../disks.ts';
import { until } from '../../harness/until.ts';
import { restartStore } from './processes.ts';

const diskOf = (activity: string): Disk => (['restoreGroup', 'replayLog', 'buildIndexes'].includes(activity) ? 'target' : 'store');

/** No byte is free until a person was told and has made room, and has started the server again where it needs that. */
export const fillDisk: Strike = async (bench, middle) => {
  const disk = diskOf(middle.activity);
  bench.disks!.fill(disk);
  middle.release();
  const told = disk === 'store' ? /StoreUnavailable|waiting for the store/ : /TargetUnavailable/;
  const writing = new AbortController();
  if (disk === 'target') void writeDown(bench, writing.signal);
  // A manifest is small: at its next try it may find room.
  const seen = await sees(bench, middle, told, { healed: middle.activity === 'sealBackup' }).finally(() => {
    writing.abort();
    bench.disks!.makeRoom(disk);
  });
  // Its index of objects refuses writes after a full disk until the server is started again, for some keys and not for others.
  if (disk === 'store') await restartStore(bench);
  if (disk === 'target' && !readPidFile(middle.mongod.pidFile)) await until('the server starts again', async () => await middle.mongod.start());
  return { seen };
};

/** A server writes its data down once a minute; asked to, at once: again and again, since the work may not have written yet. */
async function writeDown(bench: Bench, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await bench.stack.withTarget(async (client) => await client.db('admin').command({ fsync: 1 })).catch(() => undefined);
    await sleep(1_000);
  }
}
