import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Manifest, Unit } from '../../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { addHashSums, HashSum, negateHashSum } from '../hash.ts';
import { baseDocuments } from './base-documents.ts';
import { foldPartition, PartitionTooLarge, type FoldedCollection } from './fold.ts';

/** What base and log say that a collection holds. */
export interface ExpectedCollection {
  uuid: string;
  ns: string;
  count: number;
  hashSum: string;
  /** its order and what falls off its end are the server's own doing: nothing is claimed */
  capped: boolean;
  /** why its base was not read at one instant; null: it was, and its count and sum there are proved */
  fuzzy: string | null;
}

interface Sums {
  count: number;
  sum: string;
}

const logBytesPerPartition = mib(64);
/** Log lies compressed in the store, by about this factor. */
const compression = 6;

/**
 * Count and Σ SHA-256 of every collection at `limit`, from base and log alone: the base's own sum, less its documents
 * that the log touched, plus what these became.
 */
export async function expectedCollections(
  context: SourceContext,
  of: { point: RecoveryPoint; limit: LogPosition; manifest: Manifest },
): Promise<Map<string, ExpectedCollection>> {
  let partitions = Math.max(1, Math.ceil((of.point.log.storedBytes * compression) / logBytesPerPartition));
  for (;;) {
    try {
      return await expectedIn(context, of, partitions);
    } catch (error) {
      if (!(error instanceof PartitionTooLarge)) throw error;
      partitions *= 2;
    }
  }
}

async function expectedIn(
  context: SourceContext,
  of: { point: RecoveryPoint; limit: LogPosition; manifest: Manifest },
  partitions: number,
): Promise<Map<string, ExpectedCollection>> {
  const expected = new Map<string, ExpectedCollection>();
  for (let index = 0; index < partitions; index += 1) {
    const report = (phase: string): void => context.progress({ phase, done: index, of: partitions, unit: 'objects' });
    const folded = await foldPartition(context, { ...of, partition: { index, of: partitions }, report });
    if (index === 0) await startFromBase(context, of.manifest, folded, expected);
    for (const collection of folded.values()) addPartition(expected.get(collection.uuid)!, collection);
  }
  return expected;
}

async function startFromBase(context: SourceContext, manifest: Manifest, folded: ReadonlyMap<string, FoldedCollection>, expected: Map<string, ExpectedCollection>): Promise<void> {
  const units = new Map(manifest.units.map((unit) => [unit.id, unit]));
  const unproved = new Set([...folded.values()].filter(({ uuid, capped }) => !capped && units.has(uuid) && units.get(uuid)!.hashSum === null).map(({ uuid }) => uuid));
  const counted = await sumBase(context, manifest, unproved);
  for (const { uuid, ns, capped } of folded.values()) {
    const unit = units.get(uuid);
    const { count, sum } = counted.get(uuid) ?? baseOf(unit);
    expected.set(uuid, { uuid, ns, count, hashSum: sum, capped, fuzzy: unit?.fuzzy ?? null });
  }
}

const zeroSum = '0'.repeat(64);

const baseOf = (unit: Unit | undefined): Sums => ({ count: unit?.documents ?? 0, sum: unit?.hashSum ?? zeroSum });

/** What the parts of a base hold where its manifest has no sum to start from. */
async function sumBase(context: SourceContext, manifest: Manifest, units: ReadonlySet<string>): Promise<Map<string, Sums>> {
  const sums = new Map([...units].map((unit) => [unit, { count: 0, sum: new HashSum() }]));
  for await (const { unit, documents } of baseDocuments(context, manifest, units)) {
    const of = sums.get(unit)!;
    for (const document of documents) {
      of.count += 1;
      of.sum.add(document);
    }
  }
  return new Map([...sums].map(([unit, { count, sum }]) => [unit, { count, sum: sum.hex() }]));
}

function addPartition(expected: ExpectedCollection, { documents, base }: FoldedCollection): void {
  const after = new HashSum();
  let count = 0;
  for (const document of documents.values()) {
    if (!document) continue;
    after.add(document);
    count += 1;
  }
  expected.count += count - base.count;
  expected.hashSum = addHashSums([expected.hashSum, after.hex(), negateHashSum(base.sum.hex())]);
}
