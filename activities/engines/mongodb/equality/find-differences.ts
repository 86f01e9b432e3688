import { BSON, type MongoClient } from 'mongodb';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Manifest } from '../../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { makeDocument, makeElement } from '../oplog/raw-elements.ts';
import type { Selection } from '../selection/selection.ts';
import { digestOf, Fold } from './fold.ts';
import { idOfKey, type FoldedCollection, type FoldedPartition } from './partition.ts';
import { scanCollection } from './scan-collection.ts';

/**
 * Names documents of some collections that are not as base and log say, at most `atMost` of each: missing, extra or different.
 * Reads the log once, and once these collections of base and target: asked only for what is known to differ.
 * @param of.collections - names by UUID. @returns by UUID.
 */
export async function findDifferences(
  context: SourceContext,
  client: MongoClient,
  of: { point: RecoveryPoint; limit: LogPosition; manifest: Manifest; selection: Selection | null; collections: ReadonlyMap<string, string> },
  atMost: number,
): Promise<Map<string, string[]>> {
  const differences = new Map([...of.collections.keys()].map((uuid) => [uuid, [] as string[]]));
  const fold = new Fold(context, { ...of, only: new Set(of.collections.keys()) });
  try {
    await fold.readLog();
    await fold.readBase();
    for (const [uuid, ns] of of.collections) {
      for await (const documents of scanCollection(client, ns)) {
        context.signal.throwIfAborted();
        for (const document of documents) fold.addFound(uuid, document);
      }
    }
    const byNumber = new Map([...differences].map(([uuid, found]) => [fold.history.present.get(uuid)!.number, found]));
    for await (const partition of fold.fold()) {
      comparePartition(partition, byNumber, atMost);
      if ([...byNumber.values()].every(({ length }) => length >= atMost)) break;
    }
    return differences;
  } finally {
    fold.close();
  }
}

function comparePartition({ collections, found }: FoldedPartition, differences: ReadonlyMap<number, string[]>, atMost: number): void {
  const note = (collection: number, what: string, key: string): void => {
    const list = differences.get(collection)!;
    if (list.length < atMost) list.push(`${what} _id ${showId(key)}`);
  };
  for (const { collection, key, digest } of found()) {
    const wanted = takeDigest(collections.get(collection), key);
    if (!wanted) note(collection, 'extra', key);
    else if (!wanted.equals(digest)) note(collection, 'different', key);
  }
  for (const [collection, { documents, untouched }] of collections) {
    for (const [key, document] of documents) if (document) note(collection, 'missing', key);
    for (const key of untouched.keys()) note(collection, 'missing', key);
  }
}

/** What the document has to be; whatever is left in the end was not found. */
function takeDigest(of: FoldedCollection | undefined, key: string): Buffer | undefined {
  const document = of?.documents.get(key);
  const digest = document ? digestOf(document) : of?.untouched.get(key);
  of?.documents.delete(key);
  of?.untouched.delete(key);
  return digest;
}

/** Only the `_id`, never the document: it is printed and kept in histories. */
function showId(key: string): string {
  const { type, value } = idOfKey(key);
  return BSON.EJSON.stringify(BSON.deserialize(makeDocument([makeElement(type, '_id', value)]))['_id']).slice(0, 100);
}
