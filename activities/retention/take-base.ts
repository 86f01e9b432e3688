import { HoldfastError } from '../../workflows/domain/errors.ts';
import { importTimeline, layout, type BackupScope } from '../../workflows/domain/layout.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import type { ExpiredBase } from '../../workflows/domain/retention/records.ts';
import type { SourceContext } from '../context.ts';
import { forgetBase } from '../store/base-list.ts';
import { assertEpoch } from '../store/epoch.ts';
import { listHolds } from '../store/holds.ts';
import { putSigned } from '../store/signed-object.ts';
import type { Deleter } from './delete-versions.ts';

/**
 * Deletes one base, or one import, for ever: a note first, so that what is left is told from a backup that runs; then its manifest, then its keys, then its parts, and the note last. What a kill
 * at each line leaves, and what the next try does: `expire.ts`.
 *
 * @param stays - asked once the note says that it goes: why it is to stay after all; null: it goes. Left out: nothing could keep it.
 * @returns false: it stays, since the store keeps its manifest, a run has begun to read it while others were let go, or `stays` says so.
 */
export async function takeBase(context: SourceContext, deleter: Deleter, { timeline, backup }: Pick<ExpiredBase, 'timeline' | 'backup'>, { run, at, stays }: { run: string; at: string; stays?: (backup: string) => Promise<string | null> }): Promise<boolean> {
  const { store, keys, signal, system, sourceName, epoch } = context;
  const note: ExpiredBase = { format: formatVersion, kind: 'expired-base', system: system.system, source: sourceName, timeline, backup, epoch, run, at };
  const noteKey = layout.expiredBase(note);
  // Its own lock would hold up the end of the next run.
  await putSigned(store, keys, noteKey, note, { ifAbsent: true, lockUntil: new Date(0), signal }).catch(unlessThere);
  await assertEpoch(store, system.system, epoch, { signal });
  const reader = (await listHolds(store, keys, system.system, { signal })).find((hold) => hold.source === sourceName && hold.backup === backup);
  const why = reader ? reader.why || `run ${reader.run} reads it` : ((await stays?.(backup)) ?? null);
  if (why !== null) deleter.leave(`base ${backup}`, `it was to go, and stays: ${why}`);
  // Invisible first: from here on nobody can choose it, and whatever is left of it is nobody's.
  if (why !== null || !(await deleter.deleteKey(layout.manifest(note)))) {
    await deleter.deleteKey(noteKey);
    return false;
  }
  await deleteRest(context, deleter, note);
  return true;
}

/** The keys before the parts, which nobody can read without them; the note last, once a listing says that nothing is left. An import is a timeline of its own, and goes whole. */
export async function deleteRest({ store, keys, signal, system, sourceName }: SourceContext, deleter: Deleter, note: Pick<ExpiredBase, 'timeline' | 'backup'>): Promise<void> {
  const scope = { system: system.system, source: sourceName, ...note };
  const wholeKeys = await deleteKeys(deleter, scope);
  const whole = await deleter.deleteBelow(folderOf(scope));
  if (!wholeKeys || !whole) return;
  if (!(await isEmpty({ store, signal }, scope))) return deleter.leave(folderOf(scope), 'something is there, though all of it was deleted: the next run looks again');
  // Behind the last object and before the note: whoever misses the base in between finds the note.
  await forgetBase({ store, keys, signal }, scope);
  await deleter.deleteKey(layout.expiredBase(scope));
}

/** Every wrapping of what it is encrypted under. @returns whether none is left. */
export async function deleteKeys(deleter: Deleter, scope: BackupScope): Promise<boolean> {
  let whole = true;
  for (const prefix of keyFolders(scope)) if (!(await deleter.deleteBelow(prefix))) whole = false;
  return whole;
}

/** By the store: no version, and no delete marker. */
export async function isEmpty({ store, signal }: Pick<SourceContext, 'store' | 'signal'>, scope: BackupScope): Promise<boolean> {
  for await (const _ of store.list(folderOf(scope), { signal })) return false;
  return true;
}

const isImport = ({ timeline, backup }: BackupScope): boolean => timeline === importTimeline(backup);

/** All that is of a base, or of an import, lies below this, but for its note. */
export const folderOf = (scope: BackupScope): string => (isImport(scope) ? layout.timelineFolder(scope) : layout.backupFolder(scope));

/** The log that came with an import is its own, and so are its keys. */
export const keyFolders = (scope: BackupScope): string[] => [layout.backupKeys(scope), ...(isImport(scope) ? [layout.archiveKeys(scope)] : [])];

export function unlessThere(error: unknown): void {
  if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
}
