import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import { logPosition, parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import type { SourceContext } from '../../context.ts';
import { SliceBelief } from '../../store/believed-slices.ts';
import { lookBacks } from '../../store/look-backs.ts';
import { readSliceNames, type StoredSlice } from '../../store/slice-names.ts';
import { SliceObjects } from '../base/slice-objects.ts';
import { checkSegment, kindOfFile, numberOfName, readSegment, timelineOfName } from './segment.ts';
import { secondOf } from './server.ts';
import { openTimeline } from './timeline.ts';

/** What became of a file that the server wants archived. `not-kept`: a base and a timeline of ours say what it says. */
export interface Pushed {
  file: string;
  state: 'stored' | 'known' | 'not-kept';
  timeline: string | null;
  position: LogPosition | null;
}

/**
 * Stores a finished WAL segment as a slice, for archive_command: once this returns, it is durable in the store.
 *
 * Safe to repeat, and to kill anywhere: what is there already is opened, and compared byte by byte. The order of segments is the server's, which pushes one after
 * another; one that does not follow what is there begins a range of its own, and the archive's workflow writes the hole down as a gap.
 *
 * @throws BadInput - no whole segment, of another place than its name says, or of another server. AlreadyExists - other bytes are stored of it.
 */
export async function pushSegment(context: SourceContext, path: string): Promise<Pushed> {
  const file = basename(path);
  const kind = kindOfFile(file);
  if (kind === 'unknown') throw new HoldfastError('BadInput', `${path} is no file that PostgreSQL archives`, { hint: "archive_command = 'holdfast wal-push %p'" });
  if (kind !== 'segment') return { file, state: 'not-kept', timeline: null, position: null };
  const [plain, { mtime }] = await Promise.all([readFile(path), stat(path)]);
  if (context.source.wal.by !== 'push') throw new HoldfastError('BadInput', `the system file says that the log of ${context.sourceName} is received, and this server pushes it`, { hint: 'take wal.by: receive out of the source, or archive_command out of the server' });
  const segment = readSegment(plain, path);
  const { number } = segment;
  if (numberOfName(file, segment.bytes) !== number) throw new HoldfastError('BadInput', `${path} holds WAL segment ${number}, and not the one of its name`);
  const { timeline, startedAt } = await openTimeline(context, { system: segment.system, timeline: timelineOfName(file) }, 'first WAL of the source');
  const scope = { system: context.system.system, source: context.sourceName, timeline };
  const near = await findNeighbours(context, scope, number);
  if (near.same) {
    await compare(context, scope, near.same, plain);
    return { file, state: 'known', timeline, position: near.same.to };
  }
  if (near.beyond) {
    throw new HoldfastError('BadInput', `${path}: the archive of ${scope.system}/${scope.source}/${timeline} reaches WAL segment ${parseLogPosition(near.beyond.to).ordinal} already, and does not hold this one`, {
      hint: 'a base behind it needs no older log; if this server is the right one, remove its .ready file from pg_wal/archive_status',
    });
  }
  const finished = secondOf(mtime.toISOString());
  const from = logPosition(near.last ? parseLogPosition(near.last.to).seconds : Math.min(finished, secondOf(startedAt)), Math.max(0, number - 1));
  const to = logPosition(Math.max(finished, parseLogPosition(from).seconds), number);
  const objects = new SliceObjects(context, scope, (slice, stored) => {
    if (!stored.equals(plain)) throw differs(slice.key);
    return checkSegment(slice, stored);
  });
  await objects.put({ from, to }, plain);
  return { file, state: 'stored', timeline, position: to };
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

async function compare(context: SourceContext, scope: TimelineScope, slice: StoredSlice, plain: Buffer): Promise<void> {
  const stored = await new SliceObjects(context, scope, checkSegment).open(slice);
  if (!stored.equals(plain)) throw differs(slice.key);
}
