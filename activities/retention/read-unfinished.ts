import { abilitiesOf } from '../../workflows/domain/engines.ts';
import { importTimeline, layout, type BackupScope } from '../../workflows/domain/layout.ts';
import type { Catalog } from '../../workflows/domain/recovery-point.ts';
import type { Unfinished } from '../../workflows/domain/retention/plan.ts';
import type { SourceContext } from '../context.ts';
import { basePlanSchema, findPlan } from '../engines/base/plan.ts';
import { foldersUnder } from '../store/keys-under.ts';

/**
 * Backups and imports of a source that have no manifest, neither one that is believed nor another, and that retention has not begun to take. By the store's times; of those that have one
 * the first page of a listing is read, and no more.
 */
export async function readUnfinished(context: SourceContext, { system, source, timelines }: Pick<Catalog, 'system' | 'source'> & { timelines: readonly { timeline: string }[] }): Promise<Unfinished[]> {
  const { store, signal } = context;
  const unfinished: Unfinished[] = [];
  const look = async (scope: BackupScope, folder: string): Promise<void> => {
    if (await hasVersion(context, layout.manifest(scope)) || await hasVersion(context, layout.expiredBase(scope))) return;
    const one: Unfinished = { timeline: scope.timeline, backup: scope.backup, lastAt: '', objects: 0, storedBytes: 0 };
    for await (const { modifiedAt, bytes, isDeleteMarker } of store.list(folder, { signal })) {
      if (modifiedAt > one.lastAt) one.lastAt = modifiedAt;
      if (!isDeleteMarker) one.objects += 1;
      one.storedBytes += bytes;
    }
    // It may have been sealed while it was looked at.
    if (one.lastAt === '' || (await hasVersion(context, layout.manifest(scope)))) return;
    const parents = await parentsOf(context, scope);
    unfinished.push({ ...one, ...(parents ? { parents } : {}) });
  };
  for (const { timeline } of timelines) {
    for await (const backup of foldersUnder(store, layout.backups({ system, source, timeline }), signal)) {
      const scope = { system, source, timeline, backup };
      await look(scope, layout.backupFolder(scope));
    }
  }
  for await (const backup of foldersUnder(store, layout.imports(system, source), signal)) {
    const scope = { system, source, timeline: importTimeline(backup), backup };
    await look(scope, layout.timelineFolder(scope));
  }
  return unfinished;
}

/** What a backup that is not sealed yet, or never will be, says that it adds to. */
async function parentsOf(context: SourceContext, scope: BackupScope): Promise<string[] | undefined> {
  if (abilitiesOf(context.source.engine).increments !== true) return undefined;
  return (await findPlan(context, basePlanSchema, scope))?.plan.parents?.map(({ backup }) => backup);
}

/** Whether a key has any version, whoever wrote it. */
export async function hasVersion({ store, signal }: Pick<SourceContext, 'store' | 'signal'>, wanted: string): Promise<boolean> {
  for await (const { key, isDeleteMarker } of store.list(wanted, { signal })) {
    if (key !== wanted) return false;
    if (!isDeleteMarker) return true;
  }
  return false;
}
