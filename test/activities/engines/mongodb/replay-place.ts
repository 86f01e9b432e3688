import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BSON, type Document, type MongoClient } from 'mongodb';
import type { ArchiveOutcome, ReplayResult, ValidationResult } from '../../../../workflows/contract.ts';
import { findRecoveryPoint } from '../../../../workflows/domain/find-recovery-point.ts';
import { nextLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../../activities/context.ts';
import { archiveLog } from '../../../../activities/engines/mongodb/archive/archive-log.ts';
import { findArchiveEnd } from '../../../../activities/store/find-archive-end.ts';
import { positionOf, timestampOf } from '../../../../activities/engines/mongodb/bson-position.ts';
import { carriesData, parseEntry } from '../../../../activities/engines/mongodb/oplog/oplog-entry.ts';
import { buildIndexes } from '../../../../activities/engines/mongodb/build-indexes.ts';
import { HashSum } from '../../../../activities/engines/base/hash-sum.ts';
import { listCollections } from '../../../../activities/engines/mongodb/list-collections.ts';
import { prepareRestore } from '../../../../activities/engines/mongodb/prepare-restore.ts';
import { replayLog } from '../../../../activities/engines/mongodb/replay/replay-log.ts';
import { restoreGroup } from '../../../../activities/engines/mongodb/restore-group.ts';
import { validateTarget } from '../../../../activities/engines/mongodb/validate-target.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { rebuildCatalog } from '../../../../activities/store/read-catalog.ts';
import { backUp, enginePlace, ref, type EnginePlace } from '../../../harness/engine-place.ts';

/** Short slices, so that transactions and batches lie over several. */
export const withSlices = (context: SourceContext, everyMs: number, bytes: number): SourceContext =>
  ({ ...context, source: { ...context.source, archive: { every: everyMs, bytes } } });

export interface RunningArchive {
  /** Ends it as a lost worker would: at whatever line it is. */
  stop(): Promise<void>;
  ended: Promise<ArchiveOutcome | undefined>;
}

/** An archive in the background; an error of its own fails whoever stops it. */
export function startArchive(context: SourceContext, forMs = 600_000): RunningArchive {
  const abort = new AbortController();
  const ended = archiveLog({ ...context, signal: abort.signal }, { ...ref, epoch: 1, forMs }).catch((error: unknown) => {
    if (abort.signal.aborted) return undefined;
    throw error;
  });
  ended.catch(() => undefined);
  return {
    ended,
    stop: async () => {
      abort.abort(new Error('stopped by the test'));
      await ended;
    },
  };
}

/** Waits until the store holds the log up to `position`. */
export async function archivedUpTo(context: SourceContext, position: LogPosition, withinMs = 20_000): Promise<void> {
  const untilMs = Date.now() + withinMs;
  for (;;) {
    const { archivedTo } = await findArchiveEnd(context.store, context.keys, ref);
    if (archivedTo !== null && archivedTo >= position) return;
    if (Date.now() > untilMs) throw new Error(`archived up to ${archivedTo}, not ${position}, within ${withinMs} ms`);
    await sleep(30);
  }
}

/**
 * Position of the newest entry that carries data, of a source that nobody writes to right now. The server's own entries
 * behind it (a no-op, a session's record) are archived a minute later when nothing else comes: no test waits for them.
 */
export async function positionNow(client: MongoClient): Promise<LogPosition> {
  const newest = client.db('local').collection('oplog.rs').find({}, { raw: true, sort: { $natural: -1 } });
  for await (const raw of newest) {
    const entry = parseEntry(raw as unknown as Buffer);
    if (carriesData(entry)) return entry.position;
  }
  throw new Error('no entry of the log carries data');
}

export async function pointAt(context: SourceContext, position: LogPosition): Promise<RecoveryPoint> {
  const catalog = await rebuildCatalog(context, ref);
  return findRecoveryPoint(catalog, { targetPosition: nextLogPosition(position) }, { now: new Date().toISOString() });
}

export interface Written {
  place: EnginePlace;
  context: EnginePlace['context'];
  source: MongoClient;
  point: RecoveryPoint;
  position: LogPosition;
}

/** A base, a log behind it that `write` makes, and the point at its end. */
export async function written(
  t: TestContext,
  write: (client: MongoClient) => Promise<void>,
  before: (client: MongoClient) => Promise<void> = async () => undefined,
): Promise<Written> {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 100, 16 * 1024);
  const source = await place.source.connect();
  await before(source);
  const archive = startArchive(context);
  await backUp(context, 'b1');
  await write(source);
  const position = await positionNow(source);
  await archivedUpTo(context, position);
  await archive.stop();
  return { place, context, source, point: await pointAt(context, position), position };
}

export interface Recovered {
  replay: ReplayResult;
  validation: ValidationResult;
}

/** A base restored to a fresh target, as far as replay. */
export async function restoreBase(place: EnginePlace, point: RecoveryPoint, context: SourceContext = place.context): Promise<void> {
  const { target } = place;
  await (await openProvisioner(context)).provision(context, target);
  const { groups } = await prepareRestore(context, { target, point });
  for (const group of groups) await restoreGroup(context, { target, point, group });
}

/** Restore, replay, indexes, proof: what a recovery does up to its approval. `via`: stops there first, and proves that too. */
export async function recover(place: EnginePlace, point: RecoveryPoint, context: SourceContext = place.context, via: LogPosition[] = []): Promise<Recovered> {
  const { target } = place;
  const prove = async (limit: LogPosition) => await validateTarget(context, { target, point, limit, validator: 'equality' });
  await restoreBase(place, point, context);
  for (const limit of via) {
    await replayLog(context, { target, point, limit });
    const { problems } = await prove(limit);
    if (problems.length > 0) throw new Error(`stopped before ${limit}: ${problems.join('; ')}`);
  }
  const replay = await replayLog(context, { target, point, limit: point.limit });
  await buildIndexes(context, { target, point });
  return { replay, validation: await prove(point.limit) };
}

/** Position of some entry of the source's log between two others; undefined when there is none. */
export async function someEntryBetween(client: MongoClient, after: LogPosition, before: LogPosition, share: number): Promise<LogPosition | undefined> {
  const filter = { ts: { $gt: timestampOf(after), $lt: timestampOf(before) } };
  const oplog = client.db('local').collection('oplog.rs');
  const skip = Math.floor(share * (await oplog.countDocuments(filter)));
  const [entry] = await oplog.find(filter, { projection: { ts: 1 }, sort: { $natural: 1 }, skip, limit: 1 }).toArray();
  return entry && positionOf(entry['ts'] as Parameters<typeof positionOf>[0]);
}

export interface CollectionState {
  ns: string;
  count: number;
  hashSum: string;
  options: string;
  indexes: string[];
  capped: boolean;
}

/** The order of an index's options says nothing, and depends on how they came to be; that of its keys does. */
export const sortOptions = (spec: Document): Document => Object.fromEntries(Object.entries(spec).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What a server holds, by UUID: at `position` by a snapshot read, or as it is now. */
export async function readState(client: MongoClient, context: SourceContext, position?: LogPosition): Promise<Map<string, CollectionState>> {
  const state = new Map<string, CollectionState>();
  for (const { uuid, ns, database, collection, options, indexes, capped } of await listCollections(client, context.source)) {
    const at = position && !capped ? { readConcern: { level: 'snapshot', atClusterTime: timestampOf(position) } } : {};
    const sum = new HashSum();
    let count = 0;
    const cursor = client.db(database).runCursorCommand({ find: collection, batchSize: 2000, ...at }, { raw: true } as never);
    for await (const document of cursor) {
      sum.add(document as unknown as Buffer);
      count += 1;
    }
    const text = (value: Document): string => BSON.EJSON.stringify(value, { relaxed: true });
    state.set(uuid, { ns, count, hashSum: sum.hex(), options: text(options), indexes: indexes.map((spec) => text(sortOptions(spec))).sort(), capped });
  }
  return state;
}
