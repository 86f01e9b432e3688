import type { BackupSummary } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { GroupIndex, Manifest } from '../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../context.ts';
import { readSigned } from '../../store/signed-object.ts';
import { sealBase, type SealBackupInput } from '../base/seal-base.ts';
import { cluster, passedSchema, planSchema, type ClusterDetail, type PhysicalPlan } from './plan.ts';
import { numberBefore, parseLsn } from './segment.ts';
import { positionIn } from './server.ts';

/** Seals a physical base: see `sealBase`. It holds the WAL that it needs, so it is of one moment, its end, with or without an archive. */
export async function sealBackup(context: SourceContext, input: SealBackupInput): Promise<BackupSummary> {
  const plan = await readSigned(context.store, context.keys, planSchema, input.plan.plan, { signal: context.signal });
  return await sealBase(context, input, { plan, engine: 'postgres-physical', rangesOf: (range) => [range], describe: async (indexes) => await Promise.resolve(describe(plan, indexes)) });
}

function describe(plan: PhysicalPlan, indexes: readonly GroupIndex[]): Pick<Manifest, 'units' | 'start' | 'end' | 'origin' | 'parents' | 'instead'> {
  const ranges = indexes.flatMap((index) => index.ranges);
  const range = ranges.find(({ unit, range: name }) => unit === cluster.unit && name === cluster.range);
  const passed = passedSchema.safeParse(range?.detail);
  if (!range || !passed.success) throw new HoldfastError('Tampered', `the index of backup ${plan.backup} does not say what its base needs`);
  const { system, major, segmentBytes } = plan.server;
  const detail: ClusterDetail = { ...passed.data, system, major, segmentBytes };
  const { increment } = passed.data;
  const instead = typeof increment === 'string' ? increment : plan.instead;
  // Before the last segment that it needs: a piece of the one behind it may be stored in the same second, and counts the segments that are whole.
  const end = positionIn(passed.data.endedAt, numberBefore(parseLsn(passed.data.endLsn), segmentBytes) - 1);
  return {
    units: plan.units.map(({ id, name, kind }) => ({ id, name, kind, documents: 0, plainBytes: ranges.reduce((sum, { plainBytes }) => sum + plainBytes, 0), hashSum: null, fuzzy: null, detail })),
    start: end,
    end,
    ...(increment === true ? { parents: plan.parents } : {}),
    ...(instead === undefined ? {} : { instead }),
  };
}
