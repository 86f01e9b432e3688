import { createTimeline } from '../../activities/store/timelines.ts';
import { putSigned } from '../../activities/store/signed-object.ts';
import { noteBase } from '../../activities/store/base-list.ts';
import { claimEpoch } from '../../activities/store/epoch.ts';
import { writeHold } from '../../activities/store/holds.ts';
import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import type { Store } from '../../activities/store/store.ts';
import type { Keys } from '../../activities/stream/keys.ts';
import { findRecoveryPoint } from '../../workflows/domain/find-recovery-point.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { at } from './catalogs.ts';
import { of, scope as first, startedAt, startFirstTimeline, writeBackup, writeGap, writeHead, writeSlices } from './stored-source.ts';

/** The newest timeline of the world. */
export const current = { ...of, timeline: 't00000002' };

export interface WorldObject {
  key: string;
  versionId: string;
}

/** One object of each kind, by the name that the table calls it. */
export type World = Record<Kind, WorldObject>;
export type Kind = (typeof kinds)[number];
export const kinds = [
  'newest timeline', 'older timeline', 'newest manifest', 'plan', 'backup key', 'group index', 'part', 'archive key',
  'first slice', 'middle slice', 'last slice', 'slice before the newest base', 'head', 'gap', 'epoch', 'hold', 'report', 'base list',
] as const;

/** Another object of the same kind, to be put in its place. */
export const siblings: Partial<Record<Kind, Kind | 'other manifest' | 'other part' | 'other index' | 'other backup key' | 'older head'>> = {
  'newest timeline': 'older timeline', 'older timeline': 'newest timeline', 'newest manifest': 'other manifest', 'backup key': 'other backup key',
  'group index': 'other index', part: 'other part', 'first slice': 'middle slice', 'middle slice': 'last slice', 'last slice': 'middle slice',
  'slice before the newest base': 'middle slice', head: 'older head',
};

/**
 * A source that was recovered once: the first timeline with a gap, the second with two bases (at 60 and 80) on one log from 55
 * to 100 and its heads, and what a run leaves. Small, and of every kind of object one.
 */
export async function writeWorld(store: Store, keys: Keys): Promise<World & Record<'other manifest' | 'other part' | 'other index' | 'other backup key' | 'older head', WorldObject>> {
  await claimEpoch(store, keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  await startFirstTimeline(store, keys);
  await writeSlices(store, keys, [0, 10, 20]);
  const gap = await writeGap(store, keys, 20, 30);
  await writeSlices(store, keys, [30, 40, 50]);
  await writeBackup(store, keys, 35);
  await createTimeline(store, keys, { ...of, epoch: 1, startedAt, why: 'recovered', sourceIdentity: 'set-2', parent: { timeline: first.timeline, limit: at(46) } });
  const other = await writeBackup(store, keys, 60, { timeline: current.timeline });
  const newest = await writeBackup(store, keys, 80, { timeline: current.timeline });
  for (const [backup, timeline] of [['b35', first.timeline], ['b60', current.timeline], ['b80', current.timeline]] as const) await noteBase({ store, keys }, { ...of, timeline, backup });
  await writeSlices(store, keys, [55, 65, 75, 85, 90, 95, 100], current.timeline);
  await writeHead(store, keys, 65, 75, current.timeline);
  await writeHead(store, keys, 95, 100, current.timeline);
  const place = { ...current, backup: newest.manifest.backup };
  const plan = await putSigned(store, keys, layout.plan(place), { format: 1, kind: 'plan', ...place });
  const point = findRecoveryPoint(await rebuildCatalog({ store, keys }, of), {}, { now: new Date().toISOString() });
  await writeHold(store, keys, 'run-1', point, 'test');
  const report = await store.put(layout.evidence(of.system, 'run-1', 'report.json'), Buffer.from('{"format": 1}'));
  const find = async (prefix: string): Promise<WorldObject> => {
    for await (const version of store.list(prefix)) return version;
    throw new Error(`nothing at ${prefix}`);
  };
  const slice = (from: number, to: number): Promise<WorldObject> => find(layout.slice(current, at(from), at(to)));
  return {
    'newest timeline': await find(layout.timeline(current)),
    'older timeline': await find(layout.timeline(first)),
    'newest manifest': newest.ref,
    'other manifest': other.ref,
    plan,
    'backup key': newest.manifest.key.objects[0]!,
    'other backup key': other.manifest.key.objects[0]!,
    'group index': newest.manifest.groups[0]!.index,
    'other index': newest.manifest.groups[1]!.index,
    part: newest.parts[1]!.object,
    'other part': newest.parts[2]!.object,
    'archive key': await find(layout.archiveKeys(current)),
    'slice before the newest base': await slice(65, 75),
    'first slice': await slice(75, 85),
    'middle slice': await slice(85, 90),
    'last slice': await slice(95, 100),
    head: await find(layout.head(current, at(100))),
    'older head': await find(layout.head(current, at(75))),
    gap,
    epoch: await find(layout.epoch(of.system, 1)),
    hold: await find(layout.hold(of.system, 'run-1')),
    report,
    'base list': await find(layout.baseList(of, 3)),
  };
}
