import { importTimeline, isTimelineId, layout, type BackupScope, type TimelineScope } from '../../workflows/domain/layout.ts';
import type { SourceContext } from '../context.ts';
import { foldersUnder } from '../store/keys-under.ts';
import { archiveKeyContext, backupKeyContext } from '../stream/contexts.ts';
import { unlessGone } from '../stream/backup-key.ts';
import type { KeyObject, KeyWrapper, Signer } from '../stream/keys.ts';
import { isFor, type ParsedKeyObject } from '../stream/wrapped-key.ts';

/** Where the key objects of a base, an import, or a timeline's log lie, and what they are wrapped under. */
export interface KeyFolder {
  prefix: string;
  context: Record<string, string>;
  timeline: string;
  /** the base or the import that goes with them; null: the log of a source, which goes with none */
  backup: string | null;
  of: 'base' | 'log';
}

/** A key that something kept is encrypted under, with all that is there of it: every version of every object. */
export interface KeptKey {
  id: string;
  folder: KeyFolder;
  objects: (KeyObject & { versionId: string; modifiedAt: string })[];
}

type Room = Pick<SourceContext, 'store' | 'signal'>;

/** In the order of their prefixes. What has no manifest yet is among them: it may be sealed tomorrow. */
export async function keyFoldersOf({ store, signal }: Room, of: { system: string; source: string }): Promise<KeyFolder[]> {
  const folders: KeyFolder[] = [];
  for await (const timeline of foldersUnder(store, layout.source(of.system, of.source), signal)) {
    const imported = timeline.startsWith(importTimeline('')) ? timeline.slice(importTimeline('').length) : null;
    if (!isTimelineId(timeline) && imported === null) continue;
    const scope: TimelineScope = { ...of, timeline };
    for await (const backup of foldersUnder(store, layout.backups(scope), signal)) {
      const base: BackupScope = { ...scope, backup };
      folders.push({ prefix: layout.backupKeys(base), context: backupKeyContext(base), timeline, backup, of: 'base' });
    }
    folders.push({ prefix: layout.archiveKeys(scope), context: archiveKeyContext(scope), timeline, backup: imported, of: 'log' });
  }
  return folders.sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
}

/** Key by key. What goes while it is read is left out. @param after - what an earlier answer calls `mark`: keys up to it are left out. */
export async function* keptKeysIn({ store, signal }: Room, folder: KeyFolder, after = ''): AsyncGenerator<KeptKey> {
  let kept: KeptKey | undefined;
  // `~` is after every character of a key object's name.
  for await (const { key, versionId, isDeleteMarker, modifiedAt } of store.list(folder.prefix, { signal, ...(after.startsWith(folder.prefix) ? { startAfter: `${after}~` } : {}) })) {
    const id = key.slice(folder.prefix.length).split('.')[0]!;
    if (isDeleteMarker) continue;
    if (kept && kept.id !== id && kept.objects.length > 0) yield kept;
    if (kept?.id !== id) kept = { id, folder, objects: [] };
    const bytes = await store.getVersion({ key, versionId }, { signal }).catch(unlessGone);
    if (bytes) kept.objects.push({ key, versionId, modifiedAt, bytes });
  }
  if (kept && kept.objects.length > 0) yield kept;
}

/** The wrappings of a key for one recipient that anybody would believe: under its context, and where it needs a signature, signed. Whether they open is another question. */
export async function wrappingsFor(signer: Signer, { id, objects, folder }: KeptKey, wrapper: KeyWrapper): Promise<ParsedKeyObject[]> {
  const found: ParsedKeyObject[] = [];
  for (const { key, bytes } of objects) {
    const parsed = await isFor(signer, wrapper, { key, bytes }, folder.context);
    if (parsed?.wrapped.key === id) found.push(parsed);
  }
  return found;
}

/** Where a list of kept keys goes on. */
export const markOf = ({ folder, id }: KeptKey): string => `${folder.prefix}${id}.`;

/** Whether all keys of a folder lie at or before a mark. */
export const isBehind = (folder: KeyFolder, after: string): boolean => after !== '' && folder.prefix < after && !after.startsWith(folder.prefix);
