import { readsAtWork } from '../read-status.ts';
import { requireOneTry, type Strike } from '../cell.ts';

/** Six hours behind for what writes times down that others rely on, six ahead for what compares with times of others. */
const behind = new Set(['dumpGroup', 'archiveLog', 'sealBackup', 'drainLog']);

/** The clock jumps in the middle and stays wrong until the work has ended. */
export const jump: Strike = async (bench, middle) => {
  const offset = behind.has(middle.activity) ? '-6h' : '+6h';
  bench.clock!.set(offset);
  try {
    // What holds it briefly must not wait for that.
    if (middle.holdsBriefly) middle.release();
    await readsAtWork(bench, middle);
    middle.release();
    const end = await middle.finish();
    return { seen: `clock ${offset}: nothing fails: ${await requireOneTry(bench, middle)}`, end };
  } finally {
    bench.clock!.set('+0');
  }
};
