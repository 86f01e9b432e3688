import { setTimeout as sleep } from 'node:timers/promises';
import type { Document, MongoClient, Timestamp } from 'mongodb';
import { ulid } from 'ulid';
import type { SourceRef } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { TimelineScope } from '../../../../workflows/domain/layout.ts';
import { formatLogPosition, nextLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import { seconds } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { listSlices } from '../../../store/list-slices.ts';
import { currentTimeline } from '../../../store/timelines.ts';
import { positionBefore, positionOf } from '../bson-position.ts';
import { withSource } from '../connect.ts';
import { parseEntry } from '../oplog/oplog-entry.ts';
import { splitDocuments } from '../oplog/raw-elements.ts';
import { checkSlice, SliceObjects } from '../oplog/slice-object.ts';
import { findResumePosition } from '../../../store/find-resume-position.ts';

const canaryNs = { database: 'holdfast_canary', collection: 'canary' };
const lookEveryMs = seconds(0.5);

/**
 * Proves that the archive runs: writes a document to the source with majority acknowledgement, and waits until a slice
 * read back from the store, authenticated, holds exactly that write. Twice: one document a run, written anew.
 *
 * @returns `proved: false` when no slice held it within `withinMs`.
 * @throws SourceUnavailable, StoreUnavailable - retryable. BadInput - the source has no timeline yet.
 */
export async function proveArchive(
  context: SourceContext,
  input: SourceRef & { run: string; withinMs: number },
): Promise<{ proved: boolean; position: LogPosition; tookMs: number }> {
  const startedMs = performance.now();
  const of = { system: input.system, source: input.source };
  const timeline = await currentTimeline(context.store, context.keys, of, { signal: context.signal });
  if (!timeline) throw new HoldfastError('BadInput', `${input.system}/${input.source} has no timeline: its archive never began`, { hint: 'start the archive first' });
  const nonce = ulid();
  const position = await withSource(context, async (client) => await writeCanary(client, input.run, nonce));
  const proved = await waitForSlice(context, { ...of, timeline: timeline.timeline }, position, nonce, startedMs + input.withinMs);
  return { proved, position, tookMs: Math.round(performance.now() - startedMs) };
}

/** @returns the position of the write itself, or one that follows it. */
async function writeCanary(client: MongoClient, run: string, nonce: string): Promise<LogPosition> {
  const reply = await client.db(canaryNs.database).command({
    update: canaryNs.collection,
    updates: [{ q: { _id: run }, u: { _id: run, nonce, at: new Date() }, upsert: true }],
    writeConcern: { w: 'majority', wtimeout: seconds(30) },
  }, { readPreference: 'primary' }) as Document;
  const refused = (reply['writeErrors'] as Document[] | undefined)?.[0] ?? (reply['writeConcernError'] as Document | undefined);
  if (refused) throw new HoldfastError('SourceUnavailable', `the source did not take the canary: ${String(refused['errmsg'])}`);
  // Not `operationTime`: it may lie behind writes of others that came in between.
  return positionOf(((reply['opTime'] as { ts: Timestamp } | undefined)?.ts ?? reply['operationTime']) as Timestamp);
}

async function waitForSlice(context: SourceContext, scope: TimelineScope, position: LogPosition, nonce: string, untilMs: number): Promise<boolean> {
  const objects = new SliceObjects(context, scope);
  for (;;) {
    if (await isArchived(context, objects, position, nonce)) return true;
    if (performance.now() >= untilMs) return false;
    context.progress({ phase: `waiting for a slice with ${formatLogPosition(position)}`, done: 0, of: 0, unit: 'answers' });
    await sleep(lookEveryMs, undefined, { signal: context.signal });
  }
}

async function isArchived(context: SourceContext, objects: SliceObjects, position: LogPosition, nonce: string): Promise<boolean> {
  const end = await findResumePosition(context, objects.scope);
  if (end === null || end < position) return false;
  for await (const slice of listSlices(context, objects.scope, { after: positionBefore(position), limit: nextLogPosition(position) })) {
    const plain = await objects.open(slice);
    checkSlice(slice, plain);
    for (const raw of splitDocuments(plain)) {
      const entry = parseEntry(raw);
      if (entry.ns === `${canaryNs.database}.${canaryNs.collection}` && entry.o.includes(nonce)) return true;
    }
  }
  return false;
}
