import type { DisposalPlan } from '../../workflows/domain/disposal/describe-disposal.ts';
import { judgeDisposal, type DisposalVerdict } from '../../workflows/domain/retention/judge-disposal.ts';
import type { DisposalOrder, Inventory, Wrapping } from '../../workflows/domain/disposal/records.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, type BackupScope } from '../../workflows/domain/layout.ts';
import type { LogPosition } from '../../workflows/domain/log-position.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { RetentionFacts } from '../../workflows/domain/retention/plan.ts';
import { describeMark, foldMarks } from '../../workflows/domain/point-mark.ts';
import type { SourceContext } from '../context.ts';
import type { CatalogBase } from '../../workflows/domain/recovery-point.ts';
import { readFacts } from '../retention/read-facts.ts';
import { folderOf, keyFolders } from '../retention/take-base.ts';
import { sha256Hex } from '../store/checks.ts';
import { keysUnder } from '../store/keys-under.ts';
import { readHistory } from '../store/marks.ts';
import type { Found } from '../store/signed-object.ts';
import { readOrders } from './read-disposals.ts';

/** A point as its disposal finds it: what lies there, and whether it may go. */
export interface PointFound {
  scope: BackupScope;
  end: LogPosition;
  /** null: its manifest is gone already */
  manifest: ObjectRef | null;
  orders: Found<DisposalOrder>[];
  refused: string[];
  notes: string[];
  /** the store's time that it was judged for */
  at: string;
}

/**
 * What a disposal would destroy, and what stands against it. Reads only; safe to repeat.
 * @throws NoRecoveryPoint - neither a base nor an import of the source, and no disposal of such a one was ever begun.
 */
export async function planDisposal(context: SourceContext, asked: { point: string; evenTheLast: boolean }): Promise<DisposalPlan> {
  const { scope, end, manifest, orders, refused, notes, at } = await findPoint(context, asked);
  const { inventory, wrappings } = await takeInventory(context, scope);
  return {
    system: scope.system, source: scope.source, point: asked.point, timeline: scope.timeline, end, at, inventory, wrappings: wrappings.length,
    lockedUntil: { keys: await lastLock(context, wrappings), manifest: await lastLock(context, manifest ? [manifest] : []) },
    begunAt: orders[0]?.body.at ?? null, refused, notes,
  };
}

/** Until when the store keeps the last of them; null: it keeps none. */
export async function lastLock({ store, signal }: SourceContext, versions: readonly { key: string; versionId: string }[]): Promise<string | null> {
  const locks: string[] = [];
  for (const version of versions) locks.push(...[await store.lockedUntil(version, { signal }).catch(gone)].filter((until) => until !== null));
  return locks.sort().at(-1) ?? null;
}

/** Judges it by all that the bucket says now, or by what was read of it. Reads only. @throws as `planDisposal`. */
export async function findPoint(context: SourceContext, { point, evenTheLast }: { point: string; evenTheLast: boolean }, read?: RetentionFacts): Promise<PointFound> {
  const of = { system: context.system.system, source: context.sourceName, point };
  const rules = context.system.retention?.sources[of.source];
  const facts = read ?? (await readFacts(context, rules));
  const orders = await readOrders(context, of);
  const verdict = judgeDisposal(facts, rules, point);
  const begun = orders.at(-1)?.body;
  if (!verdict && !begun) throw new HoldfastError('NoRecoveryPoint', `${of.system}/${of.source}: no base and no import ${point}`, { hint: `holdfast points ${of.system} lists them` });
  if (verdict) {
    const { timeline, end, manifest } = verdict.base;
    return { scope: { ...of, timeline, backup: point }, end, manifest, orders, refused: refusalsOf(verdict, evenTheLast), notes: verdict.notes, at: facts.now };
  }
  // Its manifest is gone: what is left of it nobody can be given, and only who holds it as evidence can want it.
  const hold = foldMarks(await readHistory(context, of, point))?.hold;
  return { scope: { ...of, timeline: begun!.timeline, backup: point }, end: begun!.end, manifest: null, orders, refused: hold ? [`it is ${describeMark({ hold })}`] : [], notes: begun!.notes, at: facts.now };
}

/**
 * Why a point that is marked `disposed` may not go after all: judged as if it were given still, and as if all that others have begun to take, disposals by their mark and retention by its note, were gone.
 * Of several that each say what they take before they look at what the others said at least one meets another, whatever comes between: so together they take nothing that none may take alone.
 */
export async function judgeMarked(context: SourceContext, { system, source, backup }: BackupScope): Promise<string[]> {
  const rules = context.system.retention?.sources[source];
  // Before the bases: a note goes last, so what is noted no more is not among them.
  const going = new Set<string>();
  for await (const key of keysUnder(context.store, layout.expiredBases(system, source), context.signal)) going.add(key.slice(key.lastIndexOf('/') + 1).replace(/\.json$/, ''));
  const facts = await readFacts(context, rules);
  const { bases, disposed = [] } = facts.catalog;
  const own = [...disposed, ...bases].find((base) => base.backup === backup);
  // An import stands in for nothing.
  if (!own || !facts.catalog.timelines.some(({ timeline }) => timeline === own.timeline)) return [];
  const { disposal: _, ...mark } = own.mark ?? {};
  const given: CatalogBase[] = [...bases.filter((base) => base.backup !== backup && !going.has(base.backup)), { ...own, mark }];
  // Who reads it by now is waited for, and who holds it is met before anything goes.
  const { unlessEvenTheLast } = judgeDisposal({ ...facts, catalog: { ...facts.catalog, bases: given, disposed: [] } }, rules, backup)!;
  return unlessEvenTheLast.map((why) => `${why}: only with evenTheLast`);
}

const refusalsOf = ({ never, unlessEvenTheLast }: DisposalVerdict, evenTheLast: boolean): string[] => [...never, ...(evenTheLast ? [] : unlessEvenTheLast.map((why) => `${why}: only with evenTheLast`))];

/** Another disposal, or a retention, was faster. */
function gone(error: unknown): null {
  if (!(error instanceof HoldfastError) || error.type !== 'ObjectMissing') throw error;
  return null;
}

/** All that lies there, and every wrapping of its key by the digest of what is stored. Memory holds the wrappings and not the rest. */
export async function takeInventory({ store, signal, progress }: SourceContext, scope: BackupScope): Promise<{ inventory: Inventory; wrappings: Wrapping[] }> {
  const inventory: Inventory = { objects: 0, versions: 0, deleteMarkers: 0, bytes: 0 };
  const wrappings: Wrapping[] = [];
  const folders = keyFolders(scope);
  let before = '';
  for await (const { key, versionId, isDeleteMarker, bytes } of store.list(folderOf(scope), { signal })) {
    if (isDeleteMarker) {
      inventory.deleteMarkers += 1;
      continue;
    }
    if (folders.some((folder) => key.startsWith(folder))) {
      const stored = await store.getVersion({ key, versionId }, { signal }).catch(gone);
      if (stored === null) continue;
      wrappings.push({ key, versionId, sha256: sha256Hex(stored) });
    }
    if (key !== before) inventory.objects += 1;
    before = key;
    inventory.versions += 1;
    inventory.bytes += bytes;
    if (inventory.versions % 1_000 === 0) progress({ phase: 'list', done: inventory.versions, of: 0, unit: 'objects' });
  }
  return { inventory, wrappings };
}

/** Whether any wrapping of its key is there: as long as one is, it can be opened. */
export async function canBeOpened({ store, signal }: Pick<SourceContext, 'store' | 'signal'>, scope: BackupScope): Promise<boolean> {
  for await (const { isDeleteMarker } of store.list(layout.backupKeys(scope), { signal })) if (!isDeleteMarker) return true;
  return false;
}
