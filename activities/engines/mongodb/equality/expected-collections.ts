import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Manifest } from '../../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { addHashSums, HashSum, negateHashSum } from '../../base/hash-sum.ts';
import type { Selection } from '../selection/selection.ts';
import type { CollectionHistory } from './collection-history.ts';
import { Fold } from './fold.ts';

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

/** Documents of a collection: how many, and Σ SHA-256. */
class Sums {
  count = 0;
  readonly sum = new HashSum();

  add(document: Buffer): void {
    this.count += 1;
    this.sum.add(document);
  }
}

/**
 * Count and Σ SHA-256 of every collection at `limit`, from base and log alone: the base's own sum, less its documents
 * that the log touched, plus what these became. Log and base are read once; memory is bounded at any size of either.
 */
export async function expectedCollections(
  context: SourceContext,
  of: { point: RecoveryPoint; limit: LogPosition; manifest: Manifest; selection: Selection | null },
): Promise<Map<string, ExpectedCollection>> {
  const units = new Map(of.manifest.units.map((unit) => [unit.id, unit]));
  /** of collections whose manifest has no sum to start from: what their parts hold */
  const counted = new Map<string, Sums>();
  const unproved = (history: CollectionHistory): ReadonlySet<string> => {
    for (const { uuid, capped } of history.present.values()) if (!capped && units.get(uuid)?.hashSum === null) counted.set(uuid, new Sums());
    return new Set(counted.keys());
  };
  const fold = new Fold(context, { ...of, unitsToRead: unproved, onBaseDocument: (unit, document) => counted.get(unit)?.add(document) });
  try {
    await fold.readLog();
    await fold.readBase();
    const touched = await sumTouched(fold);
    const expected = new Map<string, ExpectedCollection>();
    for (const { number, uuid, ns, capped } of fold.history.present.values()) {
      const unit = units.get(uuid);
      const base = counted.get(uuid);
      const before = base?.count ?? unit?.documents ?? 0;
      const sumBefore = base?.sum.hex() ?? unit?.hashSum ?? zeroSum;
      const change = touched.get(number);
      expected.set(uuid, {
        uuid,
        ns,
        count: before + (change ? change.after.count - change.before.count : 0),
        hashSum: change ? addHashSums([sumBefore, change.after.sum.hex(), negateHashSum(change.before.sum.hex())]) : sumBefore,
        capped,
        fuzzy: unit?.fuzzy ?? null,
      });
    }
    return expected;
  } finally {
    fold.close();
  }
}

const zeroSum = '0'.repeat(64);

/** Of the documents that the log touched, by their collection's number: what the base has of them, and what they became. */
async function sumTouched(fold: Fold): Promise<Map<number, { before: Sums; after: Sums }>> {
  const sums = new Map<number, { before: Sums; after: Sums }>();
  for await (const { collections } of fold.fold()) {
    for (const [number, { documents, base }] of collections) {
      let of = sums.get(number);
      if (!of) sums.set(number, (of = { before: new Sums(), after: new Sums() }));
      of.before.count += base.count;
      of.before.sum.addSum(base.sum);
      for (const document of documents.values()) if (document) of.after.add(document);
    }
  }
  return sums;
}
