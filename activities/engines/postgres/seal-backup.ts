import type { BackupSummary } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { GroupIndex, Unit } from '../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../context.ts';
import { readSigned } from '../../store/signed-object.ts';
import { addHashSums } from '../base/hash-sum.ts';
import { sealBase, type SealBackupInput } from '../base/seal-base.ts';
import { planSchema, type PlanUnit } from './plan.ts';

/** Seals a dump: see `sealBase`. All of it is of the snapshot's one moment. What a group found that the base lacks is told with it. */
export async function sealBackup(context: SourceContext, input: SealBackupInput): Promise<BackupSummary> {
  const plan = await readSigned(context.store, context.keys, planSchema, input.plan.plan, { signal: context.signal });
  const lacks = input.groups.find((group) => group.lacks)?.lacks;
  const summary = await sealBase(context, input, {
    plan,
    engine: 'postgres',
    rangesOf: (range) => [range],
    describe: async (indexes) => {
      const ranges = Map.groupBy(indexes.flatMap((index) => index.ranges), ({ unit }) => unit);
      return await Promise.resolve({ units: plan.units.map((unit) => sumUnit(unit, ranges.get(unit.id) ?? [])), start: plan.readAt, end: plan.readAt, origin: undefined });
    },
  });
  return { ...summary, ...(lacks ? { lacks } : {}) };
}

function sumUnit({ id, name, kind, detail }: PlanUnit, ranges: GroupIndex['ranges']): Unit {
  const sums = ranges.map(({ hashSum }) => {
    if (hashSum === null) throw new HoldfastError('Tampered', `${name}: a range of it has no proof`);
    return hashSum;
  });
  return {
    id,
    name,
    kind,
    documents: ranges.reduce((sum, range) => sum + range.documents, 0),
    plainBytes: ranges.reduce((sum, range) => sum + range.plainBytes, 0),
    hashSum: addHashSums(sums),
    fuzzy: null,
    detail,
  };
}
