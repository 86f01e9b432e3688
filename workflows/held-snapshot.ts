import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import type { Call } from './call.ts';
import { errorTable, isErrorType } from './domain/errors.ts';
import { formatDuration, seconds } from './domain/units.ts';
import { describeFailure } from './failure.ts';

/** So often a base begins: a source whose session never lasts is not read for ever. */
const beginnings = 5;
const pauseMs = seconds(5);

interface Holding {
  call: Call;
  system: string;
  source: string;
  /** told when a base begins again */
  warn(what: string): void;
}

/** Holds the snapshot of one backup while `read` runs, and lets go of it then. */
type Held = <T>(backup: string, read: () => Promise<T>) => Promise<T>;

/**
 * Reads at a snapshot that lives as long as one session of the server: `holdSnapshot` is that session, beside everything that `begin` does under `held`.
 *
 * Where it is lost (its worker, its connection, the server), what was read is of a moment that can be read no further. Then what still reads is
 * cancelled, and `begin` is called anew, for a base of its own: nothing of the one before is ever named by a manifest.
 *
 * | killed | then |
 * |---|---|
 * | the holder's worker | found within ten seconds; the base begins again |
 * | a group's worker alone | the group again, at the same snapshot |
 * | the workflow, by a cancel or a termination | the holder hears of it by its heartbeat, and closes: nothing keeps the source from tidying up |
 */
export async function atHeldSnapshot<T>({ call, system, source, warn }: Holding, begin: (held: Held) => Promise<T>): Promise<T> {
  for (let beginning = 1; ; beginning += 1) {
    try {
      return await begin(async (backup, read) => await holding(call, { system, source, backup }, read));
    } catch (error) {
      const reason = error instanceof HolderLost ? error.reason : error;
      const { type, message } = describeFailure(reason);
      const again = type === 'SnapshotLost' || (error instanceof HolderLost && mayHelp(type));
      if (!again || beginning === beginnings) throw reason;
      const waitMs = pauseMs * 2 ** (beginning - 1);
      warn(`the snapshot that ${source} was read at is gone (${type}: ${message}): the base begins again, with another one, in ${formatDuration(waitMs)}`);
      await sleep(waitMs, { summary: `the base of ${source} begins again` });
    }
  }
}

/** The holder failed; why, as it said it. */
class HolderLost extends Error {
  readonly reason: unknown;

  constructor(reason: unknown) {
    super('the holder of the snapshot failed');
    this.reason = reason;
  }
}

const mayHelp = (type: string): boolean => !isErrorType(type) || errorTable[type].retryable;

async function holding<T>(call: Call, of: { system: string; source: string; backup: string }, read: () => Promise<T>): Promise<T> {
  const holder = new CancellationScope();
  const reader = new CancellationScope();
  let lost: { reason: unknown } | undefined;
  const held = holder.run(async () => await call('holdSnapshot', of, `hold the snapshot of ${of.source}`)).catch((reason: unknown) => {
    if (isCancellation(reason)) return;
    lost = { reason };
    reader.cancel();
  });
  try {
    return await reader.run(read);
  } catch (error) {
    // What ended behind it says nothing of its own: it was cancelled for its sake, and a group whose worker died with the holder's is not told to be cancelled, but to have fallen silent.
    throw lost ? new HolderLost(lost.reason) : error;
  } finally {
    holder.cancel();
    await held;
  }
}
