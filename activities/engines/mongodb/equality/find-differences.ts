import { BSON, type MongoClient } from 'mongodb';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Manifest } from '../../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { makeDocument, findElement } from '../oplog/raw-elements.ts';
import { foldPartition, idKey, PartitionTooLarge, partitionOf } from './fold.ts';
import { scanCollection } from './scan-collection.ts';

/**
 * Names documents of one collection that are not as base and log say, at most `atMost`: missing, extra or different.
 * Slow (each partition reads base, log and target), so it is asked only for a collection that is known to differ.
 */
export async function findDifferences(
  context: SourceContext,
  client: MongoClient,
  of: { point: RecoveryPoint; limit: LogPosition; manifest: Manifest; uuid: string; ns: string },
  atMost: number,
): Promise<string[]> {
  const unitBytes = of.manifest.units.find(({ id }) => id === of.uuid)?.plainBytes ?? 0;
  for (let partitions = Math.max(1, Math.ceil(unitBytes / mib(32))); ; partitions *= 2) {
    try {
      const found: string[] = [];
      for (let index = 0; index < partitions && found.length < atMost; index += 1) {
        found.push(...await differencesIn(context, client, of, { index, of: partitions }));
      }
      return found.slice(0, atMost);
    } catch (error) {
      if (!(error instanceof PartitionTooLarge)) throw error;
    }
  }
}

async function differencesIn(
  context: SourceContext,
  client: MongoClient,
  of: { point: RecoveryPoint; limit: LogPosition; manifest: Manifest; uuid: string; ns: string },
  partition: { index: number; of: number },
): Promise<string[]> {
  const folded = await foldPartition(context, { ...of, partition, everyDocumentOf: of.uuid });
  const expected = folded.get(of.uuid)?.documents ?? new Map<string, Buffer | null>();
  const found: string[] = [];
  for await (const documents of scanCollection(client, of.ns)) {
    for (const document of documents) {
      const id = idKey(document);
      if (id === undefined || partitionOf(id, partition.of) !== partition.index) continue;
      const wanted = expected.get(id);
      if (!wanted) found.push(`extra _id ${showId(document)}`);
      else if (!wanted.equals(document)) found.push(`different _id ${showId(document)}`);
      expected.delete(id);
    }
  }
  for (const document of expected.values()) if (document) found.push(`missing _id ${showId(document)}`);
  return found;
}

/** Only the `_id`, never the document: it is printed and kept in histories. */
function showId(document: Buffer): string {
  const id = findElement(document, '_id');
  return id ? BSON.EJSON.stringify(BSON.deserialize(makeDocument([id.element]))['_id']).slice(0, 100) : '(none)';
}
