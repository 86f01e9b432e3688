import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { serialize, Timestamp } from 'bson';
import { ulid } from 'ulid';
import type { JobReading, SourceContext } from '../../activities/context.ts';
import { SliceObjects } from '../../activities/engines/mongodb/oplog/slice-object.ts';
import { sha256Hex } from '../../activities/store/checks.ts';
import { HeadWriter } from '../../activities/store/heads.ts';
import { putSigned } from '../../activities/store/signed-object.ts';
import type { Store } from '../../activities/store/store.ts';
import { createTimeline } from '../../activities/store/timelines.ts';
import { createBackupKey } from '../../activities/stream/backup-key.ts';
import { canonicalBytes } from '../../activities/stream/canonical.ts';
import { partContext } from '../../activities/stream/contexts.ts';
import type { Keys } from '../../activities/stream/keys.ts';
import { seal } from '../../activities/stream/sealed.ts';
import { layout, type TimelineScope } from '../../workflows/domain/layout.ts';
import { parseLogPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import type { GroupIndex, Manifest, Part } from '../../workflows/domain/manifest.ts';
import type { Gap } from '../../workflows/domain/source-records.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { System } from '../../workflows/domain/system.ts';
import { at } from './catalogs.ts';

export const startedAt = '2025-11-21T02:59:00.000Z';
export const of = { system: 'demo', source: 'documents' };
export const scope: TimelineScope = { ...of, timeline: 't00000001' };

/** A job's context for what only reads and writes the store. */
export function contextOf(store: Store, keys: Keys): SourceContext {
  return {
    system: { system: of.system } as System,
    sourceName: of.source,
    source: { engine: 'mongodb' } as SourceContext['source'],
    store,
    keys,
    epoch: 1,
    signal: new AbortController().signal,
    progress: () => undefined,
    secret: () => Promise.reject(new Error('no secrets here')),
    address: (text) => text,
  };
}

export const startFirstTimeline = (store: Store, keys: Keys) =>
  createTimeline(store, keys, { ...of, epoch: 1, startedAt, why: 'first archive', sourceIdentity: 'set-1', parent: null });

export interface WrittenBackup {
  manifest: Manifest;
  ref: ObjectRef;
  parts: Part[];
}

/** A base of two groups with two parts each, written as a dump writes it; `end` as in `at`. */
export async function writeBackup(
  store: Store,
  keys: Keys,
  end: number,
  options: { start?: number; logFrom?: number; timeline?: string; backup?: string; partBytes?: number; alterIndex?: (index: GroupIndex) => void; alterManifest?: (manifest: Manifest) => void } = {},
): Promise<WrittenBackup> {
  const { backup = `b${end}`, partBytes = 2_000 } = options;
  const plainBytes = 2 * partBytes + 1;
  const place = { ...scope, timeline: options.timeline ?? scope.timeline, backup };
  const { key, manifestKey } = await createBackupKey(store, keys, place);
  const groups: Manifest['groups'] = [];
  const all: Part[] = [];
  for (const unit of ['u1', 'u2']) {
    const parts: Part[] = [];
    for (const index of [0, 1]) {
      const plain = randomBytes(partBytes + index);
      const object = await store.put(layout.part(place, unit, 'all', `${index}.${ulid()}`), await seal(key, plain, partContext(place, { unit, range: 'all', index })));
      parts.push({ object, unit, range: 'all', index, documents: 10, plainBytes: plain.length, plainSha256: sha256Hex(plain), continues: false, exact: false });
    }
    const body: GroupIndex = {
      format: 1, kind: 'group', backup, group: unit, parts,
      ranges: [{ unit, range: 'all', documents: 20, plainBytes, hashSum: '0'.repeat(64), fuzzy: null, gone: false }],
    };
    options.alterIndex?.(body);
    const index = await store.put(layout.group(place, unit, ulid()), canonicalBytes(body));
    groups.push({ group: unit, index, parts: 2, plainBytes, storedBytes: parts.reduce((sum, part) => sum + part.object.bytes, 0) });
    all.push(...parts);
  }
  const isExact = options.start === undefined || options.start === end;
  const manifest: Manifest = {
    format: 1, kind: 'base', ...place, epoch: 1, why: 'test', requestedBy: 'tester', versions: { holdfast: '0.1.0' }, engine: 'mongodb',
    startedAt, finishedAt: startedAt,
    logFrom: at(options.logFrom ?? end), start: at(options.start ?? end), end: at(end),
    units: ['u1', 'u2'].map((id) => ({ id, name: `d.${id}`, kind: 'collection', documents: 20, plainBytes, hashSum: '0'.repeat(64), fuzzy: isExact ? null : 'read over a while', detail: {} })),
    groups,
    totals: { documents: 40, plainBytes: 2 * plainBytes, storedBytes: groups.reduce((sum, group) => sum + group.storedBytes, 0), parts: 4 },
    key: manifestKey,
  };
  options.alterManifest?.(manifest);
  return { manifest, ref: await putSigned(store, keys, layout.manifest(place), manifest, { ifAbsent: true }), parts: all };
}

/** Slices from position to position, each with one entry at its end, written as an archiver writes them. */
export async function writeSlices(store: Store, keys: Keys, positions: number[], timeline = scope.timeline): Promise<void> {
  const slices = new SliceObjects(contextOf(store, keys), { ...of, timeline });
  for (let i = 1; i < positions.length; i += 1) await slices.put({ from: at(positions[i - 1]!), to: at(positions[i]!) }, entryAt(at(positions[i]!)));
}

/** The head of the slice between two positions, as an archiver puts it behind the slice. */
export async function writeHead(store: Store, keys: Keys, from: number, to: number, timeline = scope.timeline): Promise<void> {
  await new HeadWriter(contextOf(store, keys), { ...of, timeline }).follow({ from: at(from), to: at(to) });
}

export function entryAt(position: LogPosition): Uint8Array {
  const { seconds, ordinal } = parseLogPosition(position);
  return serialize({ ts: new Timestamp({ t: seconds, i: ordinal }), op: 'n', ns: '', o: { msg: 'test' } });
}

export function writeGap(store: Store, keys: Keys, from: number, to: number): Promise<ObjectRef> {
  const gap: Gap = { format: 1, kind: 'gap', ...scope, epoch: 1, from: at(from), to: at(to), why: 'the log was overwritten', foundAt: startedAt };
  return putSigned(store, keys, layout.gap(scope, gap.from, gap.to), gap, { ifAbsent: true });
}

/** What a job said of a phase: one sum over all that it read, which rises to all of it and never goes beyond the whole. @returns the whole, as it was told last */
export function requireSum(said: readonly JobReading[], phase: string, all: number): number {
  const told = said.filter((reading) => reading.phase === phase);
  for (const [at, { done, of, unit }] of told.entries()) assert.ok(unit === 'bytes' && done <= of && done > (told[at - 1]?.done ?? 0), JSON.stringify(told));
  assert.equal(told.at(-1)?.done ?? 0, all, phase);
  return told.at(-1)?.of ?? 0;
}
