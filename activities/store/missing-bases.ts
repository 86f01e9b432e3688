import { layout } from '../../workflows/domain/layout.ts';
import { manifestSchema } from '../../workflows/domain/manifest.ts';
import { expiredBaseSchema } from '../../workflows/domain/retention/records.ts';
import { foldMarks } from '../../workflows/domain/point-mark.ts';
import type { Catalog } from '../../workflows/domain/recovery-point.ts';
import { hours } from '../../workflows/domain/units.ts';
import { changeBaseList, has, readBaseList, type ListedBase } from './base-list.ts';
import type { Findings } from './findings.ts';
import { readHistory, type MarkRoom } from './marks.ts';
import { describeUnlisted } from './record-chain.ts';
import { findSigned } from './signed-object.ts';
import { findUnlistedRecord } from './stale-listing.ts';

/** Less than any lock: `stores[].lock.retain` is a day at the least. */
const renewedAfterMs = hours(12);

type Of = Pick<Catalog, 'system' | 'source'>;

/**
 * Bases that were sealed, and that are gone although retention did not take them; lists of bases that are not believed; and a listing that is older than what the store holds. Where a manifest is there and not believed the catalog has named it. What
 * somebody marked bad or had disposed of, as a verification does that has told of it, is known.
 *
 * The list is read behind the catalog, and again behind a look at what is missing: retention takes a base off it before it takes away the note that says so.
 */
export async function findMissingBases(room: MarkRoom, catalog: Catalog): Promise<Findings['problems']> {
  const { list, rejected } = await readBaseList(room, catalog);
  const problems: Findings['problems'] = rejected.map(({ key, why }) => ({ key, problem: why, type: 'Tampered' }));
  const unlisted = await findUnlistedRecord(room.store, catalog, room.signal ? { signal: room.signal } : {});
  if (unlisted !== undefined) problems.push({ key: unlisted, problem: describeUnlisted(unlisted), type: 'StoreUnavailable' });
  const suspects: ListedBase[] = [];
  for (const base of list?.bases ?? []) {
    if (catalog.bases.some(({ backup }) => backup === base.backup) || isRejected(catalog, base)) continue;
    if (!(await isThere(room, catalog, base)) && !(await isLetGo(room, catalog, base)) && !(await isKnown(room, catalog, base))) suspects.push(base);
  }
  if (suspects.length === 0) return problems;
  const now = (await readBaseList(room, catalog)).list ?? list;
  for (const base of suspects.filter((one) => has(now!.bases, one))) {
    problems.push({ key: keyOf(catalog, base), problem: `base ${base.backup} was sealed, and its manifest is gone; retention did not take it (${layout.baseList(catalog, list!.number)} names it)`, type: 'ObjectMissing' });
  }
  return problems;
}

/**
 * Puts the list anew: with what the catalog has and no list, sealed by an earlier version or by a seal that was killed; without what is gone and known. Only where that differs, or the newest list is
 * half a day old.
 */
export async function renewBaseList(room: MarkRoom, catalog: Catalog): Promise<void> {
  const nowMs = (await room.store.now({ signal: room.signal })).getTime();
  const { rejected } = await readBaseList(room, catalog);
  await changeBaseList(room, catalog, async (bases, last) => {
    const stays: ListedBase[] = [];
    for (const base of bases) {
      if (catalog.bases.some(({ backup }) => backup === base.backup) || (await isThere(room, catalog, base)) || !(await isKnown(room, catalog, base))) stays.push(base);
    }
    const comes: ListedBase[] = [];
    for (const { timeline, backup } of catalog.bases) {
      // It may have been let go since the catalog was read.
      if (!has(bases, { timeline, backup }) && (await isThere(room, catalog, { timeline, backup }))) comes.push({ timeline, backup });
    }
    const isFresh = last !== undefined && rejected.length === 0 && nowMs - Date.parse(last.at) < renewedAfterMs;
    return isFresh && comes.length === 0 && stays.length === bases.length ? bases : [...stays, ...comes];
  });
}

const keyOf = ({ system, source }: Of, base: ListedBase): string => layout.manifest({ system, source, ...base });
const isRejected = (catalog: Catalog, base: ListedBase): boolean => catalog.rejected.some(({ key }) => key === keyOf(catalog, base));

async function isThere({ store, keys, signal }: MarkRoom, of: Of, base: ListedBase): Promise<boolean> {
  return (await findSigned(store, keys, manifestSchema, keyOf(of, base), { signal })).found !== undefined;
}

async function isLetGo({ store, keys, signal }: MarkRoom, { system, source }: Of, { backup }: ListedBase): Promise<boolean> {
  return (await findSigned(store, keys, expiredBaseSchema, layout.expiredBase({ system, source, backup }), { signal })).found !== undefined;
}

async function isKnown(room: MarkRoom, of: Of, { backup }: ListedBase): Promise<boolean> {
  const mark = foldMarks(await readHistory(room, of, backup));
  return mark?.doubt?.is === 'bad' || mark?.disposal !== undefined;
}
