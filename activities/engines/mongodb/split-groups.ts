import { BSON, type Document, type MongoClient } from 'mongodb';
import { mib } from '../../../workflows/domain/units.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { ListedCollection } from './list-collections.ts';
import { bufferOf, decodeOrdered } from './ordered-documents.ts';
import { rangeName, type Bounds, type Plan, type PlanRange } from './plan.ts';

export interface SizedCollection extends ListedCollection {
  estimatedBytes: number;
}

/** A group is an activity: at most a few hundred of them, so that the history stays small, and none too small to pay. */
const groupBytesAtLeast = mib(64);
const groupsAtMost = 200;
/** What opening a collection costs, in bytes of reading: keeps thousands of empty ones from falling into one group. */
const collectionCostBytes = 64 * 1024;

/** Of a server that has thousands of collections, each is a question; the source's `connections` bound them further. */
const questionsAtOnce = 8;

/** Sizes as the server estimates them; an estimate splits work, nothing relies on it. */
export async function readSizes(client: MongoClient, collections: readonly ListedCollection[], report: (done: number) => void = () => undefined): Promise<SizedCollection[]> {
  const sizes = new Map<string, number>();
  await inParallel(collections, questionsAtOnce, async ({ uuid, database, collection }) => {
    // Two counters of the collection; collStats would gather the storage engine's figures of each of its indexes too.
    const { size } = await client.db(database).command({ dataSize: `${database}.${collection}`, estimate: true }) as { size: unknown };
    sizes.set(uuid, Math.max(0, Math.round(Number(size))));
    report(sizes.size);
  });
  return collections.map((collection) => ({ ...collection, estimatedBytes: sizes.get(collection.uuid)! }));
}

/**
 * Splits collections into groups: a large one into `_id` ranges of about a group's size each, small ones packed together.
 * A capped collection is never split: its natural order is part of its data.
 */
export async function splitGroups(
  client: MongoClient,
  collections: readonly SizedCollection[],
): Promise<{ groups: Plan['groups']; bounds: Map<string, Bounds> }> {
  const totalBytes = collections.reduce((sum, { estimatedBytes }) => sum + estimatedBytes + collectionCostBytes, 0);
  const groupBytes = Math.max(groupBytesAtLeast, Math.ceil(totalBytes / groupsAtMost));
  const bounds = new Map<string, Bounds>();
  const large: PlanRange[][] = [];
  const packed: PlanRange[][] = [];
  let packedBytes = Infinity;
  for (const collection of collections) {
    if (collection.estimatedBytes > 1.5 * groupBytes && !collection.capped) {
      const split = await splitCollection(client, collection, Math.round(collection.estimatedBytes / groupBytes));
      const estimatedBytes = Math.round(collection.estimatedBytes / split.length);
      split.forEach((bound, index) => {
        const range: PlanRange = { unit: collection.uuid, range: rangeId(index), estimatedBytes };
        bounds.set(rangeName(range), bound);
        large.push([range]);
      });
      continue;
    }
    const cost = collection.estimatedBytes + collectionCostBytes;
    if (packedBytes + cost > groupBytes) {
      packed.push([]);
      packedBytes = 0;
    }
    packed.at(-1)!.push({ unit: collection.uuid, range: rangeId(0), estimatedBytes: collection.estimatedBytes });
    packedBytes += cost;
  }
  // The large ones first: begun last, one of them would be all that is left running at the end.
  const groups = [...large, ...packed].map((ranges, index) => ({
    group: `g${String(index).padStart(4, '0')}`,
    estimatedBytes: ranges.reduce((sum, range) => sum + range.estimatedBytes, 0),
    ranges,
  }));
  return { groups, bounds };
}

const rangeId = (index: number): string => `r${String(index).padStart(4, '0')}`;

/** Samples per range: enough that ranges differ in size by a fifth or so. */
const samplesPerRange = 20;

async function splitCollection(client: MongoClient, collection: SizedCollection, ranges: number): Promise<Bounds[]> {
  const sample = await client.db(collection.database).collection(collection.collection).aggregate(
    [{ $sample: { size: ranges * samplesPerRange } }, { $project: { _id: 1 } }, { $sort: { _id: 1 } }],
    { raw: true, allowDiskUse: true },
  ).map((raw) => decodeOrdered(bufferOf(raw))).toArray();
  const cuts: Document[] = [];
  let last: string | undefined;
  for (let range = 1; range < ranges; range += 1) {
    const at = sample[Math.floor((range * sample.length) / ranges)];
    if (!at) break;
    const text = BSON.EJSON.stringify(at, { relaxed: false });
    if (text !== last) cuts.push({ _id: at['_id'] as unknown });
    last = text;
  }
  return [undefined, ...cuts].map((min, index) => ({ ...(min ? { min } : {}), ...(cuts[index] ? { max: cuts[index] } : {}) }));
}
