import { readFileSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { endianness } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import { logPosition, parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { gib } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { SliceBelief } from '../../store/believed-slices.ts';
import { lookBacks } from '../../store/look-backs.ts';
import { readSliceNames, type StoredSlice } from '../../store/slice-names.ts';
import type { Store } from '../../store/store.ts';
import { currentTimeline } from '../../store/timelines.ts';
import { ArchiveKeys } from '../../stream/archive-key.ts';
import { SliceObjects } from '../base/slice-objects.ts';
import { historyBeside, keepHistory, timelineOf } from './history.ts';
import { checkSegment, kindOfFile, numberOfName, readSegment, timelineOfName, type Segment } from './segment.ts';
import { secondOf } from './server.ts';
import { openTimeline } from './timeline.ts';

/** What became of a file that the server wants archived. `not-kept`: bases, or later histories, say what it says. */
export interface Pushed {
  file: string;
  state: 'stored' | 'known' | 'not-kept';
  timeline: string | null;
  position: LogPosition | null;
}

/** @source PostgreSQL manual, initdb: --wal-segsize, at most 1 GB. */
const greatestBytes = gib(1);

/** A finished segment on the server's disk. */
interface SegmentFile {
  path: string;
  /** of another file, or once this one was written to, it differs */
  identity: string;
  segment: Segment;
  /** the second in which it was finished */
  finished: number;
}

/** Where a segment belongs, by what the store holds now: behind something, or there already. */
type Place = { scope: TimelineScope; keys: ArchiveKeys } & ({ from: LogPosition; to: LogPosition; same?: undefined } | { same: StoredSlice });

/** A segment as it would be stored. */
export interface SealedSegment {
  file: SegmentFile;
  store: Store;
  epoch: number;
  place: Place;
  sealed: Buffer;
}

/**
 * Stores a finished WAL segment as a slice, for archive_command: once this returns, it is durable in the store.
 *
 * Safe to repeat, and to kill anywhere: what is there already is opened, and compared byte by byte. The order of segments is the server's, which pushes one after
 * another; one that does not follow what is there begins a range of its own, and the archive's workflow writes the hole down as a gap. What is of a hole fills it, declared or not.
 *
 * @param ahead - what `sealSegment` made of it before it was asked for: stored as it is, where the file, its place in the store and the command are still the same.
 * @throws BadInput - no whole segment, of another place than its name says, or of another server. AlreadyExists - other bytes are stored of it.
 */
export async function pushSegment(context: SourceContext, path: string, ahead?: SealedSegment): Promise<Pushed> {
  const name = basename(path);
  const kind = kindOfFile(name);
  if (kind === 'unknown') throw new HoldfastError('BadInput', `${path} is no file that PostgreSQL archives`, { hint: "archive_command = 'holdfast wal-push %p'" });
  if (kind === 'backup' || kind === 'partial') return notKept(name);
  if (context.source.wal.by !== 'push') throw new HoldfastError('BadInput', `the system file says that the log of ${context.sourceName} is received, and this server pushes it`, { hint: 'take wal.by: receive out of the source, or archive_command out of the server' });
  if (kind === 'history') return await pushHistory(context, path);
  const before = ahead && (await isStill(ahead, context, path)) ? ahead : undefined;
  if (before) {
    const place = await findPlace(context, before.file);
    if (isSamePlace(before.place, place)) return await store(context, place, name, { plain: () => readFileSync(path), sealed: before.sealed });
  }
  return await withSegment(path, async (file, plain) => await store(context, await findPlace(context, file), name, { plain: () => plain }));
}

const notKept = (file: string): Pushed => ({ file, state: 'not-kept', timeline: null, position: null });

/**
 * Keeps the history of a timeline that is archived. Of one from before what is archived nothing is kept: later histories have its lines too.
 * @throws as `openTimeline`, `keepHistory`: a server that was promoted to a timeline that is not the archive's is told so here, before its first segment.
 */
async function pushHistory(context: SourceContext, path: string): Promise<Pushed> {
  const file = basename(path);
  const of = { system: await clusterOf(path), timeline: timelineOfName(file) };
  const content = readFileSync(path, 'utf8');
  const { store, keys, signal } = context;
  const current = await currentTimeline(store, keys, { system: context.system.system, source: context.sourceName }, { signal });
  // Its first segment brings it along.
  if (!current) return notKept(file);
  const known = await timelineOf(context, of);
  if (!known && current.sourceIdentity.startsWith(`${of.system}/`) && of.timeline < Number(current.sourceIdentity.split('/')[1])) return notKept(file);
  const timeline = known ?? (await openTimeline(context, of, 'never made here'));
  return { file, state: await keepHistory(context, timeline, { file, content }), timeline: timeline.timeline, position: null };
}

/** A history does not say of which cluster it is; the control file beside it does. @source PostgreSQL, pg_control.h: ControlFileData begins with the system identifier. */
async function clusterOf(path: string): Promise<string> {
  const control = join(dirname(dirname(path)), 'global', 'pg_control');
  const handle = await open(control).catch((cause: unknown) => {
    throw new HoldfastError('BadInput', `of which server ${path} is cannot be told: ${control} does not open: ${(cause as Error).message}`, { hint: 'a history is pushed out of pg_wal of its server', cause });
  });
  try {
    const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    return (endianness() === 'LE' ? buffer.readBigUInt64LE() : buffer.readBigUInt64BE()).toString();
  } finally {
    await handle.close();
  }
}

async function store(context: SourceContext, place: Place, file: string, { plain, sealed }: { plain: () => Buffer; sealed?: Buffer }): Promise<Pushed> {
  const { timeline } = place.scope;
  const objects = new SliceObjects(context, place.scope, (slice, stored) => {
    if (!stored.equals(plain())) throw differs(slice.key);
    return checkSegment(slice, stored);
  }, place.keys);
  if (place.same) {
    if (!(await objects.open(place.same)).equals(plain())) throw differs(place.same.key);
    return { file, state: 'known', timeline, position: place.same.to };
  }
  if (sealed) await objects.putSealed(place, sealed);
  else await objects.put(place, plain());
  return { file, state: 'stored', timeline, position: place.to };
}

/**
 * Does what can be done of a push before it is asked for: reads, compresses and seals. Stores nothing but the key of the hour, the first timeline, and its history.
 * @returns undefined - it is stored already. @throws as `pushSegment`.
 */
export async function sealSegment(context: SourceContext, path: string): Promise<SealedSegment | undefined> {
  return await withSegment(path, async (file, plain) => {
    const place = await findPlace(context, file);
    if (place.same) return undefined;
    const sealed = await new SliceObjects(context, place.scope, checkSegment, place.keys).seal(place, plain);
    return { file, store: context.store, epoch: context.epoch, place, sealed };
  });
}

const isStill = async ({ file, store, epoch }: SealedSegment, context: SourceContext, path: string): Promise<boolean> =>
  file.path === path && store === context.store && epoch === context.epoch && file.identity === (await identify(path));

const isSamePlace = (a: Place, b: Place): boolean => !a.same && !b.same && a.scope.timeline === b.scope.timeline && a.keys === b.keys && a.from === b.from && a.to === b.to;

async function identify(of: FileHandle | string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await (typeof of === 'string' ? stat(of, { bigint: true }) : of.stat({ bigint: true }));
  return [dev, ino, size, mtimeNs, ctimeNs].join('.');
}

/** Of a segment's size, and given back: V8 collects the whole heap for every few buffers of this size that are made, which takes longer than to compress one. */
const rooms: Buffer[] = [];

/** Reads a segment, and gives its memory to the next one once `use` is over. @throws BadInput - no whole segment, or of another place than its name says. */
async function withSegment<T>(path: string, use: (file: SegmentFile, plain: Buffer) => Promise<T>): Promise<T> {
  const handle = await open(path);
  let room: Buffer | undefined;
  try {
    // Before it is read: what is written behind this makes it another one.
    const [identity, { mtime, size }] = [await identify(handle), await handle.stat()];
    if (size > greatestBytes) throw new HoldfastError('BadInput', `${path} is no WAL segment: it has ${size} bytes`);
    room = rooms.pop();
    if (room?.length !== size) room = Buffer.allocUnsafeSlow(size);
    let at = 0;
    for (let bytesRead = -1; bytesRead !== 0 && at < size; at += bytesRead) ({ bytesRead } = await handle.read(room, at, size - at, at));
    const plain = room.subarray(0, at);
    const segment = readSegment(plain, path);
    if (numberOfName(basename(path), segment.bytes) !== segment.number) throw new HoldfastError('BadInput', `${path} holds WAL segment ${segment.number}, and not the one of its name`);
    return await use({ path, identity, segment, finished: secondOf(mtime.toISOString()) }, plain);
  } finally {
    if (room && rooms.length === 0) rooms.push(room);
    await handle.close();
  }
}

/** @throws BadInput - it is of another server, or the archive begins behind it. AlreadyExists - its server was promoted to the number of another one's timeline. */
async function findPlace(context: SourceContext, { path, segment: { system, number }, finished }: SegmentFile): Promise<Place> {
  const postgresTimeline = timelineOfName(basename(path));
  const opened = await openTimeline(context, { system, timeline: postgresTimeline }, 'first WAL of the source');
  const { timeline, startedAt } = opened;
  const history = postgresTimeline > 1 ? historyBeside(dirname(path), postgresTimeline) : undefined;
  if (history) await keepHistory(context, opened, history);
  const scope = { system: context.system.system, source: context.sourceName, timeline };
  const keys = keysOf(context, `${scope.system}/${scope.source}/${timeline} of ${startedAt}`);
  const near = await findNeighbours(context, scope, number);
  if (near.same) return { scope, keys, same: near.same };
  if (near.beyond && !near.last) {
    const name = basename(path);
    throw new HoldfastError('BadInput', `${path}: the archive of ${scope.system}/${scope.source}/${timeline} begins behind WAL segment ${number}, and is not extended to the front`, {
      hint: `no base needs it. If this server is the right one, have it leave this one out: rename pg_wal/archive_status/${name}.ready to ${name}.done (removed, it is made anew at the next checkpoint)`,
    });
  }
  const from = logPosition(near.last ? parseLogPosition(near.last.to).seconds : Math.min(finished, secondOf(startedAt)), Math.max(0, number - 1));
  const to = logPosition(Math.max(finished, parseLogPosition(from).seconds), number);
  return { scope, keys, from, to: near.beyond ? withinHole(to, near.beyond.from) : to };
}

/** What fills a hole touches what lies behind it, and is no younger than that. */
function withinHole(to: LogPosition, end: LogPosition): LogPosition {
  const { seconds, ordinal } = parseLogPosition(to);
  const behind = parseLogPosition(end);
  return ordinal === behind.ordinal ? end : logPosition(Math.min(seconds, behind.seconds), ordinal);
}

const kept = new WeakMap<Store, Map<string, ArchiveKeys>>();

/** One key an hour for a process that pushes one segment after another. A timeline that was begun anew, in a store that was emptied, has others: of these no object would be there. */
function keysOf({ store, keys }: SourceContext, timeline: string): ArchiveKeys {
  const ofStore = kept.get(store) ?? new Map<string, ArchiveKeys>();
  kept.set(store, ofStore);
  const known = ofStore.get(timeline) ?? new ArchiveKeys(store, keys);
  ofStore.set(timeline, known);
  return known;
}

interface Neighbours {
  /** of this very number */
  same: StoredSlice | undefined;
  /** the furthest before it */
  last: StoredSlice | undefined;
  /** the first behind it */
  beyond: StoredSlice | undefined;
}

/**
 * What is stored around a segment. Listed from the newest back, until something before it is met. A name is taken at its word while the one slice that lies there
 * is the one that is touched: anybody who may put could write a name, so where there is more, what counts is opened before it is believed.
 */
async function findNeighbours(context: SourceContext, scope: TimelineScope, number: number): Promise<Neighbours> {
  const belief = new SliceBelief(context, scope);
  const firstBelieved = async (slices: readonly StoredSlice[]): Promise<StoredSlice | undefined> => {
    for (const slice of slices) if (!(await belief.faultOf(slice))) return slice;
    return undefined;
  };
  for (const since of lookBacks()) {
    const found: StoredSlice[] = [];
    for await (const slice of readSliceNames(context.store, scope, { startAfter: since && layout.slice(scope, since, logPosition(0, 0)), signal: context.signal })) {
      if (!('unreadable' in slice)) found.push(slice);
    }
    const having = (wanted: (ordinal: number) => boolean): StoredSlice[] => found.filter(({ to }) => wanted(parseLogPosition(to).ordinal));
    const touched = having((ordinal) => ordinal >= number - 1);
    if (touched.length === 1 && parseLogPosition(touched[0]!.to).ordinal === number - 1) return { same: undefined, last: touched[0], beyond: undefined };
    const same = await firstBelieved(having((ordinal) => ordinal === number));
    if (same) return { same, last: undefined, beyond: undefined };
    const last = await firstBelieved(having((ordinal) => ordinal < number).reverse());
    if (last || since === undefined) return { same, last, beyond: await firstBelieved(having((ordinal) => ordinal > number)) };
  }
  return { same: undefined, last: undefined, beyond: undefined };
}

const differs = (key: string): HoldfastError =>
  new HoldfastError('AlreadyExists', `${key} holds other bytes than the segment of the same name that is pushed`, { hint: 'two servers push under one name: see which of them is the source, and correct the archive_command of the other', details: { key } });
