import type { MongoClient } from 'mongodb';
import type { BackupScope } from '../../../workflows/domain/layout.ts';
import type { LogPosition } from '../../../workflows/domain/log-position.ts';
import type { DumpPlanRef, SourceRef } from '../../../workflows/contract.ts';
import type { SourceContext } from '../../context.ts';
import { assertEpoch } from '../../store/epoch.ts';
import { createBackupKey } from '../../stream/backup-key.ts';
import { findPlan, planHead, planRef, putPlan } from '../base/plan.ts';
import { withSource } from './connect.ts';
import { listCollections, sameCollection, type ListedCollection } from './list-collections.ts';
import { encodeDetail, planSchema, sealBounds, type Plan, type PlanUnit } from './plan.ts';
import { readLogFrom, readServerFacts, readSettledPosition, type ServerFacts } from './server-facts.ts';
import { sourceTimeline } from './source-timeline.ts';
import { meanWriteUs, readWriteLatency } from './write-latency.ts';
import { readSizes, splitGroups, type SizedCollection } from './split-groups.ts';

export interface PlanDumpInput extends SourceRef {
  backup: string;
  epoch: number;
  why: string;
  requestedBy: string;
}

/**
 * Decides what a dump reads and at which instant, and writes it down.
 *
 * Safe to repeat: the plan is put only where none is, and a second call returns the first one's, so that groups that
 * were dumped by it stay valid.
 *
 * @throws SourceUnavailable, StoreUnavailable - retryable. @throws EpochSuperseded. @throws Unsupported - a kind of server that we cannot dump.
 */
export async function planDump(context: SourceContext, input: PlanDumpInput): Promise<DumpPlanRef> {
  return await withSource(context, async (client) => {
    const before = await readWriteLatency(client);
    const facts = await readServerFacts(client);
    // A plan makes the timeline of a source that has none yet.
    await assertEpoch(context.store, input.system, input.epoch, { signal: context.signal });
    const { timeline } = await sourceTimeline(context, { identity: facts.identity, epoch: input.epoch, why: input.why });
    const scope: BackupScope = { system: input.system, source: input.source, timeline, backup: input.backup };
    const adopted = await findPlan(context, planSchema, scope);
    const ref = planRef(adopted ?? (await putPlan(context, planSchema, await makePlan(context, client, scope, input, facts))));
    // Planning reads next to nothing, and the groups that read come after it: what a write takes meanwhile is what it takes without us.
    return { ...ref, quietWriteUs: meanWriteUs(before, await readWriteLatency(client)) };
  });
}

async function makePlan(
  context: SourceContext,
  client: MongoClient,
  scope: BackupScope,
  input: PlanDumpInput,
  facts: ServerFacts,
): Promise<Plan> {
  const startedAt = new Date().toISOString();
  const report = (phase: string, done: number, of: number): void => context.progress({ phase, done, of, unit: 'objects' });
  report('list collections', 0, 0);
  const { logFrom, readAt, collections, changing } = await listAtOneInstant(context, client);
  const sized = await readSizes(client, collections, (done) => report('ask for sizes', done, collections.length));
  report('split', 0, 0);
  const { groups, bounds } = await splitGroups(client, sized);
  if (groups.length > 1) context.groupsFollow?.();
  const { key, manifestKey } = await createBackupKey(context.store, context.keys, scope);
  return {
    ...planHead(scope, input),
    startedAt,
    versions: { mongodb: facts.version, featureCompatibility: facts.featureVersion, node: process.versions.node },
    logFrom,
    readAt,
    changing: [...changing],
    key: manifestKey,
    units: sized.map((collection) => planUnit(collection, changing)),
    groups,
    bounds: await sealBounds(key, scope, bounds),
  };
}

/** Listings that are tried until two on either side of the instant agree. */
const listingAttempts = 5;

/**
 * An instant, and the collections as they stood at it: a listing cannot be read at an instant, so it is made before and
 * after. A collection that differs between the last two is changing right now, and is dumped fuzzily.
 *
 * The log's start comes before the first listing: a rename after it is replayed onto the name that was listed.
 */
async function listAtOneInstant(
  context: SourceContext,
  client: MongoClient,
): Promise<{ logFrom: LogPosition; readAt: LogPosition; collections: ListedCollection[]; changing: Set<string> }> {
  for (let attempt = 1; ; attempt += 1) {
    const logFrom = await readLogFrom(client);
    const before = await listCollections(client, context.source);
    const readAt = await readSettledPosition(client, context.signal);
    const after = await listCollections(client, context.source);
    const changing = differing(before, after);
    if (changing.size === 0 || attempt === listingAttempts) return { logFrom, readAt, collections: after, changing };
  }
}

/** UUIDs of collections that only one listing has, or that both have differently. */
function differing(before: readonly ListedCollection[], after: readonly ListedCollection[]): Set<string> {
  const known = new Map(before.map((collection) => [collection.uuid, collection]));
  const changed = after.filter((collection) => {
    const was = known.get(collection.uuid);
    known.delete(collection.uuid);
    return !was || !sameCollection(was, collection);
  });
  return new Set([...changed.map(({ uuid }) => uuid), ...known.keys()]);
}

function planUnit(collection: SizedCollection, changing: ReadonlySet<string>): PlanUnit {
  const { options, idIndex, indexes } = collection;
  const why = collection.capped
    ? 'a capped collection cannot be read at an instant'
    : changing.has(collection.uuid) ? 'it was created, renamed or altered while the dump was planned' : null;
  return {
    id: collection.uuid,
    name: collection.ns,
    kind: 'collection',
    capped: collection.capped,
    fuzzy: why,
    estimatedBytes: collection.estimatedBytes,
    detail: encodeDetail({ options, idIndex: idIndex ?? null, indexes }),
  };
}
