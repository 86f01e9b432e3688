import type { MongoClient } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import { timestampOf } from '../bson-position.ts';
import { readPosition } from '../oplog/oplog-entry.ts';
import { oplogOf } from './held-log.ts';

export interface TailOptions {
  /** how long an answer may wait for news: as long, and an empty batch is given, so that the caller's clocks run */
  waitMs: number;
  /** majority: only what no election takes back; local: all that is there, for a primary that is fenced */
  readConcern: 'majority' | 'local';
  /** goes on for ever, or ends at the log's end */
  follow: boolean;
}

/**
 * The log after `after`, raw, in batches as the server sends them.
 * @throws LogGap - the log no longer holds `after`, so something between was lost. And what the driver throws.
 */
export async function* tailLog(client: MongoClient, after: LogPosition, { waitMs, readConcern, follow }: TailOptions): AsyncGenerator<Buffer[]> {
  const cursor = oplogOf(client).find(
    { ts: { $gte: timestampOf(after) } },
    { raw: true, batchSize: 5000, readConcern: { level: readConcern }, ...(follow ? { tailable: true, awaitData: true, maxAwaitTimeMS: waitMs } : {}) },
  );
  let anchored = false;
  try {
    for (;;) {
      const first = (await (follow ? cursor.tryNext() : cursor.next())) as unknown as Buffer | null;
      const batch = first ? [first, ...(cursor.readBufferedDocuments() as unknown as Buffer[])] : [];
      // The entry that was archived last is read again: if it is there, nothing behind it was lost before this cursor stood on it.
      if (!anchored && first) {
        if (readPosition(first) !== after) throw new HoldfastError('LogGap', `the source's log no longer holds ${after}`);
        batch.shift();
        anchored = true;
      }
      if (batch.length > 0 || follow) yield batch;
      if (!first && (!follow || cursor.closed)) return;
    }
  } finally {
    await cursor.close().catch(() => undefined);
  }
}
