import type { Destroyed } from '../../workflows/contract.ts';
import { abilitiesOf } from '../../workflows/domain/engines.ts';
import { layout, type BackupScope } from '../../workflows/domain/layout.ts';
import { describeMark, foldMarks } from '../../workflows/domain/point-mark.ts';
import { addedTo } from '../../workflows/domain/retention/judge-disposal.ts';
import type { SourceContext } from '../context.ts';
import { Deleter } from '../retention/delete-versions.ts';
import { readUnfinished } from '../retention/read-unfinished.ts';
import { deleteKeys, isEmpty, takeBase } from '../retention/take-base.ts';
import { forgetBase } from '../store/base-list.ts';
import { assertEpoch } from '../store/epoch.ts';
import { listHolds } from '../store/holds.ts';
import { readHistory, sayDisposedAgain } from '../store/marks.ts';
import { readBasesOf } from '../store/read-catalog.ts';
import { canBeOpened } from './plan-disposal.ts';

/**
 * Destroys what was ordered, as far as the store lets go of it now: every wrapping of the point's key first, from when on no copy of its parts can be opened, whoever has one; then the base as
 * retention takes one (`take-base.ts`): manifest, then parts. The marks and the holds are read again right before. What is locked is waited for by the workflow, and never by this.
 *
 * | killed | left behind | the next try |
 * |---|---|---|
 * | before, or among, the wrappings | a point that nobody is given, with all or some of them | goes on |
 * | after them | parts that nobody can open | takes the base |
 * | after its note, its manifest, among its parts | as retention (`expire.ts`) | deletes the rest, the note last |
 * | after all | nothing | finds nothing, and answers the same |
 *
 * @throws EpochSuperseded - another control plane commands the system. StoreUnavailable - retryable.
 */
export async function destroyPoint(context: SourceContext, { point, timeline, run }: { point: string; timeline: string; run: string }): Promise<Destroyed> {
  const { store, signal, system, sourceName, epoch } = context;
  const scope: BackupScope = { system: system.system, source: sourceName, timeline, backup: point };
  const deleter = new Deleter(context, { asksLocks: true });
  const answer = async (state: Destroyed['state'], more: Partial<Destroyed> = {}): Promise<Destroyed> => {
    const { left, leftCount, objects, bytes, lockedUntil } = { ...deleter.done, lockedUntil: deleter.lockedUntil };
    const at = await store.now({ signal });
    const waits = lockedUntil === null ? {} : { until: lockedUntil, waitMs: Math.max(0, Date.parse(lockedUntil) - at.getTime()) };
    return { state, at: at.toISOString(), why: null, until: null, waitMs: null, keysGone: !(await canBeOpened(context, scope)), objects, bytes, left, leftCount, ...waits, ...more };
  };
  const openable = await canBeOpened(context, scope);
  const mark = foldMarks(await readHistory(context, { system: scope.system, source: scope.source }, point));
  if (mark?.hold) return await answer('withdrawn', { why: `it is ${describeMark({ hold: mark.hold })}` });
  if (openable && !mark?.disposal) return await answer('withdrawn', { why: 'its mark was taken back' });
  const readBy = await readerOf(context, scope);
  if (readBy !== null) return await answer('read', { why: readBy });
  await assertEpoch(store, scope.system, epoch, { signal });
  const keysGone = await deleteKeys(deleter, scope);
  if (!keysGone && deleter.lockedUntil !== null) return await answer('locked', { why: 'its keys are locked' });
  if (keysGone) await sayDisposedAgain(context, { system: scope.system, source: scope.source, point }, `${run}/again`);
  // Of what is gone only the note can be left: a new one would have to be taken away again.
  const empty = await isEmpty(context, scope);
  if (empty) await forgetBase(context, scope);
  const taken = empty ? await deleter.deleteKey(layout.expiredBase(scope)) : await takeBase(context, deleter, scope, { run, at: (await store.now({ signal })).toISOString() });
  const readMeanwhile = taken ? null : await readerOf(context, scope);
  if (readMeanwhile !== null) return await answer('read', { why: readMeanwhile });
  if (deleter.lockedUntil !== null) return await answer('locked', { why: `${deleter.done.leftCount} versions are locked` });
  return await answer(await isEmpty(context, scope) ? 'gone' : 'left');
}

/** What a run says of it that reads it; null: none does. */
async function readerOf(context: SourceContext, scope: BackupScope): Promise<string | null> {
  const { store, keys, signal } = context;
  const { system, source, backup } = scope;
  const hold = (await listHolds(store, keys, system, { signal })).find((one) => one.source === source && one.backup === backup);
  if (hold) return hold.why || `run ${hold.run} reads it`;
  return await adderOf(context, scope);
}

/** What is nothing without it, and came while it was ordered; null: nothing. */
async function adderOf(context: SourceContext, { system, source, timeline, backup }: BackupScope): Promise<string | null> {
  if (abilitiesOf(context.source.engine).increments !== true) return null;
  // What is begun before what is sealed: one that is sealed in between is met twice, and not missed.
  const unfinished = await readUnfinished(context, { system, source, timelines: [{ timeline }] });
  return addedTo({ catalog: await readBasesOf(context, { system, source, timeline }), unfinished }, backup)[0] ?? null;
}
