import type { DisposalPlan } from '../../workflows/domain/disposal/describe-disposal.ts';
import { judgeDisposal, type DisposalVerdict } from '../../workflows/domain/retention/judge-disposal.ts';
import type { DisposalOrder, Inventory, Wrapping } from '../../workflows/domain/disposal/records.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, type BackupScope } from '../../workflows/domain/layout.ts';
import type { LogPosition } from '../../workflows/domain/log-position.ts';
import type { ObjectRef } from '../../workflows/domain/manifest.ts';
import { describeMark, foldMarks } from '../../workflows/domain/point-mark.ts';
import type { SourceContext } from '../context.ts';
import { readFacts } from '../retention/read-facts.ts';
import { folderOf, keyFolders } from '../retention/take-base.ts';
import { sha256Hex } from '../store/checks.ts';
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
  const { store, signal } = context;
  const { scope, end, manifest, orders, refused, notes, at } = await findPoint(context, asked);
  const { inventory, wrappings } = await takeInventory(context, scope);
  const lockOf = async (versions: readonly { key: string; versionId: string }[]): Promise<string | null> => {
    const locks: string[] = [];
    for (const version of versions) locks.push(...[await store.lockedUntil(version, { signal })].filter((until) => until !== null));
    return locks.sort().at(-1) ?? null;
  };
  return {
    system: scope.system, source: scope.source, point: asked.point, timeline: scope.timeline, end, at, inventory, wrappings: wrappings.length,
    lockedUntil: { keys: await lockOf(wrappings), manifest: await lockOf(manifest ? [manifest] : []) },
    begunAt: orders[0]?.body.at ?? null, refused, notes,
  };
}

/** Judges it by all that the bucket says now. Reads only. @throws as `planDisposal`. */
export async function findPoint(context: SourceContext, { point, evenTheLast }: { point: string; evenTheLast: boolean }): Promise<PointFound> {
  const of = { system: context.system.system, source: context.sourceName, point };
  const rules = context.system.retention?.sources[of.source];
  const facts = await readFacts(context, rules);
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

const refusalsOf = ({ never, unlessEvenTheLast }: DisposalVerdict, evenTheLast: boolean): string[] => [...never, ...(evenTheLast ? [] : unlessEvenTheLast.map((why) => `${why}: only with evenTheLast`))];

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
    if (key !== before) inventory.objects += 1;
    before = key;
    inventory.versions += 1;
    inventory.bytes += bytes;
    if (folders.some((folder) => key.startsWith(folder))) wrappings.push({ key, versionId, sha256: sha256Hex(await store.getVersion({ key, versionId }, { signal })) });
    if (inventory.versions % 1_000 === 0) progress({ phase: 'list', done: inventory.versions, of: 0, unit: 'objects' });
  }
  return { inventory, wrappings };
}

/** Whether any wrapping of its key is there: as long as one is, it can be opened. */
export async function canBeOpened({ store, signal }: Pick<SourceContext, 'store' | 'signal'>, scope: BackupScope): Promise<boolean> {
  for await (const { isDeleteMarker } of store.list(layout.backupKeys(scope), { signal })) if (!isDeleteMarker) return true;
  return false;
}
