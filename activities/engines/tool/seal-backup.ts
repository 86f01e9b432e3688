import type { BackupSummary } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { logPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import type { GroupIndex, Manifest, StreamOrigin } from '../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../context.ts';
import { readSigned } from '../../store/signed-object.ts';
import { sealBase, type SealBackupInput } from '../base/seal-base.ts';
import { whyForeign, whyUnproved } from './dump-group.ts';
import { foreignOf } from './pgbackrest/restore.ts';
import { planSchema, stream, type ToolPlan } from './plan-dump.ts';

/** Seals the dump of a program: see `sealBase`. The manifest says which program it was, and what it does not know. */
export async function sealBackup(context: SourceContext, input: SealBackupInput): Promise<BackupSummary> {
  const plan = await readSigned(context.store, context.keys, planSchema, input.plan.plan, { signal: context.signal });
  return await sealBase(context, input, { plan, engine: 'tool', rangesOf: (range) => [range], describe: async (indexes) => await Promise.resolve(describe(plan, indexes)) });
}

function describe(plan: ToolPlan, indexes: readonly GroupIndex[]): Pick<Manifest, 'units' | 'start' | 'end' | 'origin'> {
  const range = indexes.flatMap(({ ranges }) => ranges).find(({ unit }) => unit === stream.unit);
  if (!range?.ran) throw new HoldfastError('Tampered', `the index of backup ${plan.backup} does not say when its program ran`);
  const { fromAt, toAt } = range.ran;
  const { program, version, moment, part } = plan.tool;
  return {
    units: plan.units.map(({ id, name, kind }) => ({ id, name, kind, documents: 0, plainBytes: range.plainBytes, hashSum: null, fuzzy: range.fuzzy, detail: part === undefined ? null : { part } })),
    start: positionAt(fromAt),
    // What the program read last lies before its end: for no earlier moment may it be taken.
    end: positionAt(toAt),
    origin: { form: 'stream', program, toolVersion: version, ranFrom: fromAt, ranTo: toAt, moment, log: null, ...foreignIn(range, plan) },
  };
}

/** What the program keeps itself is not in the store. */
function foreignIn(range: GroupIndex['ranges'][number], plan: ToolPlan): Pick<StreamOrigin, 'proof' | 'foreign'> {
  if (range.detail === undefined) return { proof: { kind: 'none', why: whyUnproved(plan) } };
  return { proof: { kind: 'none', why: whyForeign }, foreign: { label: foreignOf({ ranges: [range] }, plan.backup).label } };
}

const positionAt = (at: string): LogPosition => logPosition(Math.floor(Date.parse(at) / 1000), 0);
