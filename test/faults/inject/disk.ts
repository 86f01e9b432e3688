import { setTimeout as sleep } from 'node:timers/promises';
import { ulid } from 'ulid';
import { readPidFile } from '../../../activities/tool/start-server.ts';
import type { Bench } from '../bench.ts';
import { sees, type Strike } from '../cell.ts';
import type { Disk } from '../disks.ts';
import { until } from '../../harness/until.ts';

const diskOf = (activity: string): Disk => (['restoreGroup', 'replayLog', 'buildIndexes'].includes(activity) ? 'target' : 'store');

/** No byte is free until a person was told and has made room; a server that ended for it is started again. */
export const fillDisk: Strike = async (bench, middle) => {
  const disk = diskOf(middle.activity);
  bench.disks!.fill(disk);
  middle.release();
  const told = disk === 'store' ? /StoreUnavailable|waiting for the store/ : /TargetUnavailable/;
  const writing = new AbortController();
  if (disk === 'target') void writeDown(bench, writing.signal);
  const seen = await sees(bench, middle, told).finally(() => {
    writing.abort();
    bench.disks!.makeRoom(disk);
  });
  // It looks at its disks once a minute, and keeps its volumes read-only until then.
  if (disk === 'store') await until('the S3 server takes objects again', async () => await takesObjects(bench), 180_000);
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

async function takesObjects(bench: Bench): Promise<boolean> {
  const { store } = await bench.stack.source();
  return await store.put(`demo/probes/${ulid()}`, Buffer.alloc(1)).then(() => true, () => false);
}
