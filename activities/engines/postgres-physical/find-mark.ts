import { layout } from '../../../workflows/domain/layout.ts';
import { nextLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { CatalogBase } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { readSliceNames } from '../../store/slice-names.ts';
import { listTimelines } from '../../store/timelines.ts';
import type { MarkedPlace } from '../engine.ts';
import { detailSchema, type ClusterDetail } from './plan.ts';
import { numberAt, numberOfSlice, parseLsn } from './segment.ts';
import { rebuildCatalog } from '../../store/read-catalog.ts';
import { readSigned } from '../../store/signed-object.ts';
import { manifestSchema } from '../../../workflows/domain/manifest.ts';

/**
 * `lsn:0/3000060`: the log up to the end of the segment that it lies in, on the newest timeline that holds that; the server stops before it. `named:NAME`: the whole log; only the server sees, as it
 * replays, where the restore point is (`pg_create_restore_point`), and whether there is one.
 * @throws NoRecoveryPoint - no archived segment holds it.
 */
export async function findMark(context: SourceContext, mark: string): Promise<MarkedPlace> {
  if (mark.startsWith('named:')) return { target: {}, stop: { name: mark.slice('named:'.length) }, isBefore: async () => await Promise.resolve(false) };
  const lsn = mark.slice('lsn:'.length);
  const number = numberAt(parseLsn(lsn), await segmentBytesOf(context));
  const of = { system: context.system.system, source: context.sourceName };
  const { store, keys, signal } = context;
  for (const { body: { timeline } } of (await listTimelines(store, keys, of, { signal })).reverse()) {
    const end = await endOfSegment(context, { ...of, timeline }, number);
    if (end !== null) return { target: { targetPosition: nextLogPosition(end), timeline }, stop: { lsn }, isBefore: async (base) => parseLsn((await detailOf(context, base)).endLsn) > parseLsn(lsn) };
  }
  throw new HoldfastError('NoRecoveryPoint', `${of.system}/${of.source}: no archived WAL segment holds ${lsn}`, { hint: `holdfast points ${of.system} says what can be restored` });
}

/** The last slice of a segment: what is received comes in several. */
async function endOfSegment({ store, signal }: SourceContext, scope: { system: string; source: string; timeline: string }, number: number): Promise<LogPosition | null> {
  let end: LogPosition | null = null;
  for await (const slice of readSliceNames(store, scope, { signal })) {
    if (!('unreadable' in slice) && numberOfSlice(slice).number === number && (end === null || slice.to > end)) end = slice.to;
  }
  return end;
}

/** As the newest base says, without which nothing is restored. */
async function segmentBytesOf(context: SourceContext): Promise<number> {
  const of = { system: context.system.system, source: context.sourceName };
  const { store, keys, signal } = context;
  const [base] = (await rebuildCatalog({ store, keys, signal }, of)).bases.slice(-1);
  if (!base) throw new HoldfastError('NoRecoveryPoint', `${layout.backups({ ...of, timeline: '*' })}: there is no base`, { hint: 'take a base backup' });
  return (await detailOf(context, base)).segmentBytes;
}

const detailOf = async ({ store, keys, signal }: SourceContext, { manifest }: CatalogBase): Promise<ClusterDetail> => detailSchema.parse((await readSigned(store, keys, manifestSchema, manifest, { signal })).units[0]?.detail);
