import type { MongoClient, Timestamp } from 'mongodb';
import type { SourceContext } from '../../context.ts';
import type { WrittenRange } from '../base/put-index.ts';
import { withoutValues } from './connect.ts';
import { splitNamespace } from './namespaces.ts';
import { decodeDetail, type Bounds, type PlanRange, type PlanUnit } from './plan.ts';
import { RangeWriter, type RangeJob } from './range-writer.ts';
import { readFailureOf, readRange } from './read-range.ts';
import type { Throttle } from './throttle.ts';

/** What dumping the ranges of one group has in common. */
export interface DumpJob extends RangeJob {
  context: SourceContext;
  client: MongoClient;
  throttle: Throttle;
  readAt: Timestamp;
}

/** The range that holds what was read behind the snapshot's end: its parts say of themselves that they are not of one instant. */
export const fuzzyRangeOf = (range: string): string => `${range}f`;

/** A collection that changes faster than it can be read is given up after this many beginnings. */
const beginnings = 5;

/**
 * Dumps one range: first at the plan's instant, and from where that is no longer possible, as the majority has it then.
 * Adopts what earlier attempts left; after a kill, only the parts that were in flight are read again.
 */
export async function dumpRange(job: DumpJob, unit: PlanUnit, range: PlanRange, bounds: Bounds): Promise<WrittenRange[]> {
  const begin = (name: string, fuzzy: string | null): RangeWriter => new RangeWriter(job, unit, name, fuzzy);
  const natural = unit.capped || !hasIdIndex(unit);
  if (unit.fuzzy !== null || natural) {
    const writer = begin(fuzzyRangeOf(range.range), unit.fuzzy ?? 'a collection without an index on _id cannot be read at an instant');
    if (!natural) await writer.adopt(undefined);
    await readOn(job, writer, { bounds, natural });
    return [writer];
  }
  const exact = begin(range.range, null);
  await exact.adopt(undefined);
  const stopped = await readOn(job, exact, { bounds, natural, at: job.readAt });
  if (!stopped) return [exact];

  const fuzzy = begin(fuzzyRangeOf(range.range), stopped);
  await fuzzy.adopt(exact);
  await readOn(job, fuzzy, { bounds, natural });
  return [exact, fuzzy];
}

/**
 * Reads a range to its end, and again from the last document when a cursor dies of a rename, a kill, a time-out or an election.
 * @returns why the snapshot could not be read any further; undefined at the end.
 */
async function readOn(job: DumpJob, writer: RangeWriter, from: { bounds: Bounds; natural: boolean; at?: Timestamp }): Promise<string | undefined> {
  const { unit } = writer;
  const { database } = splitNamespace(unit.name);
  for (let beginning = 1; ; beginning += 1) {
    const documentsBefore = writer.documents;
    try {
      const readPreference = job.context.source.limits.readPreference;
      const batches = readRange(job.client, { database, uuid: unit.id, ...from, at: from.at, notBefore: job.readAt, after: writer.last, readPreference });
      for await (const batch of batches) {
        job.throttle.arrived();
        job.context.signal.throwIfAborted();
        await job.throttle.spent(await writer.write(batch));
      }
      await writer.flush();
      return undefined;
    } catch (error) {
      const failure = readFailureOf(error);
      const moved = writer.documents > documentsBefore;
      if (failure === 'gone') {
        await writer.flush();
        writer.gone = true;
        return undefined;
      }
      if (failure === 'too-old' && from.at) {
        await writer.flush();
        return `the instant could not be read any more: ${withoutValues((error as Error).message)} (a server keeps one for its minSnapshotHistoryWindowInSeconds, 300 unless it is set)`;
      }
      if (failure !== 'again' || (beginning >= beginnings && !moved)) throw error;
      if (from.natural) writer.startOver();
    }
  }
}

const hasIdIndex = (unit: PlanUnit): boolean => {
  const detail = decodeDetail(unit.detail);
  return detail.idIndex !== null || detail.options.clusteredIndex !== undefined;
};
