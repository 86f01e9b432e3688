import type { BackupSummary } from '../../../workflows/contract.ts';
import type { LogPosition } from '../../../workflows/domain/log-position.ts';
import type { GroupIndex, Unit } from '../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../context.ts';
import { readSigned } from '../../store/signed-object.ts';
import { sealBase, type SealBackupInput } from '../base/seal-base.ts';
import { withSource } from './connect.ts';
import { fuzzyRangeOf } from './dump-range.ts';
import { addHashSums } from '../base/hash-sum.ts';
import { planSchema, type Plan, type PlanUnit } from './plan.ts';
import { readSettledPosition } from './server-facts.ts';

/** Seals a dump or an import: see `sealBase`. */
export async function sealBackup(context: SourceContext, input: SealBackupInput): Promise<BackupSummary> {
  const plan = await readSigned(context.store, context.keys, planSchema, input.plan.plan, { signal: context.signal });
  return await sealBase(context, input, {
    plan,
    engine: 'mongodb',
    rangesOf: (range) => [range, fuzzyRangeOf(range)],
    describe: async (indexes) => {
      const ranges = Map.groupBy(indexes.flatMap((index) => index.ranges), ({ unit }) => unit);
      const units = plan.units.map((unit) => sumUnit(unit, ranges.get(unit.id) ?? []));
      return { units, start: plan.readAt, end: await endOf(context, plan, units), origin: plan.imported?.origin };
    },
  });
}

function sumUnit(unit: PlanUnit, ranges: GroupIndex['ranges']): Unit {
  const fuzzy = ranges.find((range) => range.fuzzy !== null)?.fuzzy ?? null;
  return {
    id: unit.id,
    name: unit.name,
    kind: unit.kind,
    documents: ranges.reduce((sum, range) => sum + range.documents, 0),
    plainBytes: ranges.reduce((sum, range) => sum + range.plainBytes, 0),
    hashSum: fuzzy === null ? addHashSums(ranges.map((range) => range.hashSum!)) : null,
    fuzzy,
    detail: unit.detail,
  };
}

/**
 * The plan's instant where everything was read at it. Otherwise a position that every read lies before, since a base is
 * whole only once the log up to there is replayed: now, as the source's majority has it.
 */
async function endOf(context: SourceContext, plan: Plan, units: readonly Unit[]): Promise<LogPosition> {
  if (plan.imported) return plan.imported.end;
  if (plan.changing.length === 0 && units.every((unit) => unit.fuzzy === null)) return plan.readAt;
  return await withSource(context, async (client) => await readSettledPosition(client, context.signal));
}
