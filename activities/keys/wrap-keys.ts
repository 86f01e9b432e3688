import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RotationKeys, WrappedKeys } from '../../workflows/domain/keys/describe.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import { foldMarks } from '../../workflows/domain/point-mark.ts';
import type { SourceContext } from '../context.ts';
import { hasVersion } from '../retention/read-unfinished.ts';
import { assertEpoch } from '../store/epoch.ts';
import { readHistory } from '../store/marks.ts';
import type { DataKey, KeyWrapper } from '../stream/keys.ts';
import { signedKeyObject } from '../stream/wrapped-key.ts';
import { isBehind, keptKeysIn, keyFoldersOf, markOf, wrappingsFor, type KeptKey } from './kept-keys.ts';
import { requireSameKeys } from './rotation-keys.ts';

/** A page ends behind so many keys: it is what a lost attempt does again at most. */
const keysAPage = 500;
const told = 10;

/**
 * Wraps every kept key of a source (of bases, imports, and each hour of log) for everybody whom the system file names and who has no wrapping of it that opens. Nothing is rewritten, and no wrapping of what is kept is
 * taken away. Each that is put is read back by its version and, where its private half is here, opened and held against the key.
 *
 * | killed | left behind | the next try |
 * |---|---|---|
 * | before a put | keys with some wrappings more | finds those, and goes on |
 * | after a put, before it was read back | a wrapping that nobody has looked at | opens it; one that does not open gets another beside it |
 * | between a put and the look whether its base goes | a wrapping of a base that is disposed of, or that retention takes | takes it away again, where the store lets go of it; of retention, what was never sealed goes after a week |
 *
 * Twice: the second puts nothing.
 *
 * @param after - `next` of the page before. @param began - whom the rotation is for. @throws EpochSuperseded. BadSystemFile - this worker's file names others. KeyUnavailable, StoreUnavailable - retryable. KeyRefused, ToolMissing - a recipient that nothing can be wrapped for.
 */
export async function wrapKeys(context: SourceContext, { after, dryRun, began }: { after: string | null; dryRun: boolean; began: RotationKeys }): Promise<WrappedKeys> {
  requireSameKeys(context.keys, began);
  const { store, system, sourceName, epoch, signal } = context;
  if (!dryRun) await assertEpoch(store, system.system, epoch, { signal });
  const page: WrappedKeys = { next: null, keys: 0, added: 0, unopened: [], unopenedCount: 0 };
  for (const folder of await keyFoldersOf(context, { system: system.system, source: sourceName })) {
    if (isBehind(folder, after ?? '')) continue;
    for await (const kept of keptKeysIn(context, folder, after ?? '')) {
      if (page.keys >= keysAPage) return page;
      if (!(await isLetGo(context, kept, { sweep: !dryRun }))) await wrapKey(context, kept, page, dryRun);
      page.next = markOf(kept);
      context.progress({ phase: 'wrap keys', done: page.keys, of: 0, unit: 'objects' });
    }
  }
  return { ...page, next: null };
}

async function wrapKey(context: SourceContext, kept: KeptKey, page: WrappedKeys, dryRun: boolean): Promise<void> {
  page.keys += 1;
  const key = await openKept(context, kept).catch((error: unknown) => {
    if (!(error instanceof HoldfastError) || error.retryable) throw error;
    page.unopenedCount += 1;
    if (page.unopened.length < told) page.unopened.push({ key: markOf(kept), why: error.message.slice(0, 300) });
  });
  if (!key) return;
  for (const wrapper of context.keys.wrappers) {
    if (await isWrappedFor(context, kept, wrapper, key)) continue;
    if (dryRun || (await addWrapping(context, kept, wrapper, key))) page.added += 1;
  }
}

const openKept = async ({ keys }: Pick<SourceContext, 'keys'>, { id, objects, folder }: KeptKey): Promise<DataKey> => await keys.open(objects, folder.context, id);

/** By a wrapping that opens; for whom nothing opens here, one for the public half that is here, which the system has signed. */
async function isWrappedFor({ keys }: Pick<SourceContext, 'keys'>, kept: KeptKey, wrapper: KeyWrapper, key: DataKey): Promise<boolean> {
  for (const { wrapped } of await wrappingsFor(keys.signer, kept, wrapper)) {
    try {
      if (!wrapper.opens || Buffer.from((await wrapper.unwrap(wrapped, kept.folder.context)).bytes).equals(key.bytes)) return true;
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.retryable) throw error;
    }
  }
  return false;
}

/** @returns whether it stays. */
async function addWrapping(context: SourceContext, kept: KeptKey, wrapper: KeyWrapper, key: DataKey): Promise<boolean> {
  const { store, keys, signal } = context;
  const ref = await store.put(`${markOf(kept)}${wrapper.recipient.id}.json`, signedKeyObject(keys.signer, await wrapper.wrap(key, kept.folder.context)), { signal });
  const read = { ...kept, objects: [{ key: ref.key, versionId: ref.versionId, modifiedAt: '', bytes: await store.get(ref, { signal }) }] };
  if (!(await isWrappedFor(context, read, wrapper, key))) throw new HoldfastError('WrongKey', `${ref.key} version ${ref.versionId}: was wrapped for ${wrapper.recipient.kind} ${wrapper.recipient.id} just now, and does not open`);
  // Its base may have gone meanwhile: a wrapping that outlives a disposal would undo it.
  return !(await isLetGo(context, kept, { sweep: true, put: ref }));
}

/**
 * Whether a disposal or retention has begun to take the base that the key is of: then it is wrapped for nobody any more.
 * @param sweep - takes away what was put behind that, by an attempt that was killed; `put`: what was put just now.
 */
async function isLetGo(context: SourceContext, kept: KeptKey, { sweep, put }: { sweep: boolean; put?: ObjectRef }): Promise<boolean> {
  const { store, system, sourceName } = context;
  const { objects, folder: { backup, timeline } } = kept;
  if (backup === null) return false;
  const of = { system: system.system, source: sourceName };
  const disposal = foldMarks(await readHistory(context, of, backup))?.disposal;
  const expires = await hasVersion(context, layout.expiredBase({ ...of, backup }));
  if (!disposal && !expires && (put === undefined || (await isThere(context, kept)))) return false;
  const isSealed = await hasVersion(context, layout.manifest({ ...of, timeline, backup }));
  // While its manifest stands the mark can be taken back, and what was wrapped before it is still somebody's. Both times are the store's.
  const since = isSealed ? disposal?.at : '';
  const strays = put ? [put] : sweep && disposal && since !== undefined ? objects.filter(({ modifiedAt }) => modifiedAt > since) : [];
  for (const { key, versionId } of strays) {
    await store.deleteVersion({ key, versionId }).catch((error: unknown) => {
      // Locked: the disposal waits for it, or says in its certificate that it is left.
      if (!(error instanceof HoldfastError) || error.type !== 'NotPermitted') throw error;
    });
  }
  return true;
}

/** Whether any of what it was opened by is left: whoever takes a base away takes these before the rest of its folder. */
async function isThere({ store, signal }: SourceContext, kept: KeptKey): Promise<boolean> {
  for await (const { key, versionId, isDeleteMarker } of store.list(markOf(kept), { signal })) {
    if (!isDeleteMarker && kept.objects.some((one) => one.key === key && one.versionId === versionId)) return true;
  }
  return false;
}
