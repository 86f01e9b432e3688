import { ReadPreference, UUID, type ClientSession, type ClusterTime, type Document, type MongoClient, type ReadPreferenceMode, type Timestamp } from 'mongodb';
import { bufferOf, decodeOrdered, sendable } from './ordered-documents.ts';
import type { Bounds } from './plan.ts';
import { pickField } from './raw-documents.ts';

export interface RangeToRead {
  database: string;
  uuid: string;
  bounds: Bounds;
  /** the collection's own order, from its first document: capped collections, and those without an `_id` index */
  natural: boolean;
  /** one instant for all, or undefined: whatever the majority has when it is read */
  at: Timestamp | undefined;
  /** without `at`: nothing older than this is taken for an answer, also not that the collection is not there */
  notBefore?: Timestamp | undefined;
  /** go on behind this document; `natural` ranges cannot */
  after: Buffer | undefined;
  readPreference: ReadPreferenceMode;
}

/** Documents a batch at most; the server ends a batch at 16 MiB in any case. */
const batchDocuments = 1_000;

/**
 * Reads documents of one collection as raw bytes, batch by batch, in `_id` order.
 *
 * By UUID: after a rename the old name answers no documents and no error, so a dump by name would be silently empty.
 * By `min` and `max` with a hint: `$gt` and `$lt` on `_id` see one type only.
 */
export async function* readRange(client: MongoClient, range: RangeToRead): AsyncGenerator<Buffer[]> {
  const { bounds, after, natural } = range;
  const afterId = after && pickField(after, '_id');
  const min = afterId ? decodeOrdered(afterId) : bounds.min;
  const session = client.startSession({ causalConsistency: false });
  if (!range.at && range.notBefore) await learnClusterTime(client, session);
  const command: Document = {
    find: new UUID(range.uuid),
    ...(natural ? { hint: { $natural: 1 } } : { hint: { _id: 1 } }),
    ...(min && !natural ? { min: sendable(min) } : {}),
    ...(bounds.max && !natural ? { max: sendable(bounds.max) } : {}),
    readConcern: readConcernOf(range),
    batchSize: batchDocuments,
    // A throttled dump may look at a batch for longer than the server keeps an idle cursor.
    noCursorTimeout: true,
  };
  // As an object: this kind of cursor reads from the primary when it is given a preference by name.
  const readPreference = ReadPreference.fromString(range.readPreference);
  const cursor = client.db(range.database).runCursorCommand(command, { raw: true, session, readPreference });
  cursor.setBatchSize(batchDocuments);
  let skip = afterId;
  try {
    while (await cursor.hasNext()) {
      let documents = cursor.readBufferedDocuments().map(bufferOf);
      // `min` includes the document that is known already, if it is still there.
      if (skip && documents[0] && pickField(documents[0], '_id').equals(skip)) documents = documents.slice(1);
      skip = undefined;
      if (documents.length > 0) yield documents;
    }
  } finally {
    await cursor.close().catch(() => undefined);
    await session.endSession().catch(() => undefined);
  }
}

/**
 * The primary tells the time of the whole set, and the session hands it on to the member that is read: a secondary that has not
 * heard of an instant refuses to wait for it.
 */
async function learnClusterTime(client: MongoClient, session: ClientSession): Promise<void> {
  const answer = await client.db('admin').command({ ping: 1 }, { readPreference: ReadPreference.primary });
  const told = answer['$clusterTime'] as ClusterTime | undefined;
  if (told) session.advanceClusterTime(told);
}

/** A secondary may be behind the log that is replayed onto what it answers: it waits until it has `notBefore`. */
function readConcernOf({ at, notBefore }: RangeToRead): Document {
  if (at) return { level: 'snapshot', atClusterTime: at };
  return notBefore ? { level: 'majority', afterClusterTime: notBefore } : { level: 'majority' };
}

export type ReadFailure = 'too-old' | 'gone' | 'again' | 'other';

/**
 * NotWritablePrimary, InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary: an election. The driver does not read from
 * that member any more until it has asked it anew, so the next reading waits for whoever is elected.
 */
const electionCodes = new Set([10107, 11602, 13435, 13436]);

/** What an error while reading means for the range. */
export function readFailureOf(error: unknown): ReadFailure {
  const code = Number((error as { code?: unknown } | null)?.code);
  // SnapshotTooOld; SnapshotUnavailable (the catalogue changed after the instant); InvalidOptions (a kind that has no snapshots).
  if (code === 239 || code === 246 || code === 72) return 'too-old';
  if (code === 26) return 'gone';
  // CursorNotFound, CappedPositionLost, QueryPlanKilled (renamed, dropped), CursorKilled.
  if (code === 43 || code === 136 || code === 175 || code === 237 || electionCodes.has(code)) return 'again';
  return 'other';
}
