import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import type { SourceContext } from '../../context.ts';
import { believedSlices } from '../../store/believed-slices.ts';
import { listTimelines } from '../../store/timelines.ts';
import { SliceObjects } from '../base/slice-objects.ts';
import { assembleSegment, groupSegments } from './assemble.ts';
import { checkSegment, kindOfFile, numberOfName, readPiece, segmentName, timelineOfName } from './segment.ts';

/** Fetched with the one that is asked for: a server asks for one after another, and each time costs a listing. */
const fetchedAhead = 7;
const spoolName = 'holdfast-wal';

/**
 * Gives a server that people restore by hand a segment that it asks for, for restore_command. The next ones are put beside it, in `holdfast-wal` of the data directory (0700): at most eight.
 * Safe to repeat.
 * @returns false - the archive does not hold it: the end of the log, or a file that is no segment.
 * @throws Tampered, WrongKey, ObjectMissing, StoreUnavailable - it should be there: a server must not take this for the end of its log.
 */
export async function fetchSegment(context: SourceContext, { file, to }: { file: string; to: string }): Promise<boolean> {
  if (kindOfFile(file) !== 'segment') return false;
  const spool = join(dirname(dirname(to)), spoolName);
  if (isRenamed(join(spool, file), to)) return true;
  const scope = await scopeOf(context, timelineOfName(file));
  if (!scope) return false;
  mkdirSync(spool, { recursive: true, mode: 0o700 });
  // What an earlier recovery, or one that jumped, left there.
  for (const name of readdirSync(spool)) rmSync(join(spool, name), { force: true });
  const objects = new SliceObjects(context, scope, checkSegment);
  let wanted: number | undefined;
  let bytes = 0;
  let found = false;
  for await (const segment of groupSegments(believedSlices(context, scope))) {
    if (wanted === undefined) {
      bytes = readPiece(await objects.open(segment.slices[0]!), segment.slices[0]!.key).bytes;
      wanted = numberOfName(file, bytes);
    }
    if (segment.number < wanted) continue;
    if (segment.number > wanted + fetchedAhead || (!found && segment.number > wanted)) break;
    const name = segmentName({ timeline: timelineOfName(file), number: segment.number, bytes });
    const path = segment.number === wanted ? to : join(spool, name);
    writeFileSync(`${path}.part`, await assembleSegment(objects, segment), { mode: 0o600 });
    renameSync(`${path}.part`, path);
    found = true;
  }
  return found;
}

function isRenamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** The newest timeline of ours that is the log of this one of PostgreSQL's. */
async function scopeOf(context: SourceContext, postgresTimeline: number): Promise<TimelineScope | undefined> {
  const { store, keys, signal } = context;
  const of = { system: context.system.system, source: context.sourceName };
  const timelines = await listTimelines(store, keys, of, { signal });
  if (timelines.length === 0) throw new HoldfastError('NoRecoveryPoint', `${layout.timelines(of.system, of.source)}: the store holds no timeline of it`);
  const found = timelines.findLast(({ body }) => body.sourceIdentity.split('/')[1] === String(postgresTimeline));
  return found && { ...of, timeline: found.body.timeline };
}
