import type { LogPosition } from '../../workflows/domain/log-position.ts';
import type { Catalog, CatalogBase } from '../../workflows/domain/recovery-point.ts';
import type { RetentionFacts } from '../../workflows/domain/retention/plan.ts';
import type { RetentionRules } from '../../workflows/domain/retention/rules.ts';
import type { SourceContext } from '../context.ts';
import { listHolds } from '../store/holds.ts';
import { rebuildCatalog, withImports } from '../store/read-catalog.ts';
import { readSliceNames } from '../store/slice-names.ts';
import { readProved } from './read-proved.ts';
import { readUnfinished } from './read-unfinished.ts';

/**
 * All that a plan is made of, from the bucket alone. Every time in it is the store's: of a base, when its manifest was stored; of the log, by position and by when it
 * was stored, whichever is later. Reads only; safe to repeat.
 *
 * @param refused - bases that the store would not let go: they stay for now, and so does what they need.
 */
export async function readFacts(context: SourceContext, rules: RetentionRules | undefined, refused: ReadonlySet<string> = new Set()): Promise<RetentionFacts> {
  const { store, keys, signal } = context;
  const of = { system: context.system.system, source: context.sourceName };
  const now = await store.now({ signal });
  const catalog = await rebuildCatalog(context, of);
  const all = await withImports(context, catalog);
  if (all.disposed) catalog.disposed = all.disposed;
  const imports = all.bases.filter(({ timeline }) => !catalog.timelines.some((one) => one.timeline === timeline));
  const lockMs = context.system.stores[0]?.lock?.retain ?? 0;
  const stored: Record<string, { at: string; lockedUntil: string | null }> = {};
  for (const base of all.bases) {
    const at = await storedAt(context, base);
    if (at === undefined) continue;
    const lockedUntilMs = refused.has(base.backup) ? Infinity : Date.parse(at) + lockMs;
    stored[base.backup] = { at, lockedUntil: lockedUntilMs === Infinity ? 'the store lets it go' : lockedUntilMs > now.getTime() ? new Date(lockedUntilMs).toISOString() : null };
  }
  const holds = (await listHolds(store, keys, of.system, { signal })).filter(({ source }) => source === of.source);
  const recentLogFrom = rules?.log === undefined ? {} : await readRecent(context, catalog, now.getTime() - rules.log);
  return { now: now.toISOString(), catalog, imports, stored, recentLogFrom, holds, proved: await readProved({ store, keys, signal }, of), unfinished: await readUnfinished(context, catalog) };
}

/** Undefined: its manifest went since the catalog was read. */
async function storedAt({ store, signal }: SourceContext, { manifest }: CatalogBase): Promise<string | undefined> {
  for await (const version of store.list(manifest.key, { signal })) {
    if (version.key === manifest.key && version.versionId === manifest.versionId) return version.modifiedAt;
  }
  return undefined;
}

async function readRecent({ store, signal, progress }: SourceContext, catalog: Catalog, sinceMs: number): Promise<Record<string, LogPosition>> {
  const recent: Record<string, LogPosition> = {};
  let done = 0;
  for (const { timeline } of catalog.timelines) {
    for await (const slice of readSliceNames(store, { ...catalog, timeline }, { signal })) {
      if ((done += 1) % 1_000 === 0) progress({ phase: 'read slices', done, of: 0, unit: 'objects' });
      // In the order of their positions: the first is the furthest back.
      if (!('unreadable' in slice) && Date.parse(slice.putAt) >= sinceMs) recent[timeline] ??= slice.from;
    }
  }
  return recent;
}
