import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TimelineScope } from '../../../workflows/domain/layout.ts';
import type { SourceContext } from '../../context.ts';
import { believedSlices } from '../../store/believed-slices.ts';
import { letGo } from '../../stream/let-go.ts';
import { SliceObjects } from '../base/slice-objects.ts';
import { assembleSegment, groupSegments, type ListedSegment } from './assemble.ts';
import { findHistory, timelineOf } from './history.ts';
import { checkSegment, kindOfFile, numberOfName, readPiece, segmentName, timelineOfName } from './segment.ts';

/** So many behind the one that is asked for: a server asks for one after another, and each is several trips to the store. */
const fetchedAhead = 7;
const spoolName = 'holdfast-wal';

/**
 * Gives a server that people restore by hand a segment or a history that it asks for, for restore_command. The next ones are put beside it, in `holdfast-wal` of the data directory (0700): at most eight.
 * Safe to repeat.
 *
 * @param stays - of a process that is asked again: it gives the first as soon as it is there, and fetches the next ones while the server replays it. Left out: all have come once this returns.
 * @returns false - the archive does not hold it: the end of the log, a timeline that nobody has begun, or a file that is neither segment nor history.
 * @throws Tampered, WrongKey, ObjectMissing, StoreUnavailable - it should be there: a server must not take this for the end of its log.
 */
export async function fetchSegment(context: SourceContext, { file, to }: { file: string; to: string }, stays?: Fetching): Promise<boolean> {
  if (kindOfFile(file) === 'history') return await fetchHistory(context, file, to);
  if (kindOfFile(file) !== 'segment') return false;
  const spool = join(dirname(dirname(to)), spoolName);
  if (!stays && isRenamed(join(spool, file), to)) return true;
  const fetching = stays ?? new Fetching();
  const fetcher = await fetching.of(context, spool, timelineOfName(file));
  if (!fetcher) return false;
  const found = await fetcher.fetch(file, to);
  const ahead = fetcher.fill();
  if (!stays) await ahead;
  // What is wrong with one that nobody has asked for is said to who asks for it.
  else ahead.catch(() => undefined);
  return found;
}

/**
 * By histories a server finds out which timelines there are: it follows them, and takes a number of its own behind the last. So of a timeline that is archived one is given in any case: an empty one,
 * which no server follows that is on an earlier timeline, where nobody has told it yet. The first timeline's came with its bases.
 */
async function fetchHistory(context: SourceContext, file: string, to: string): Promise<boolean> {
  const timeline = await timelineOf(context, { timeline: timelineOfName(file) });
  if (!timeline) return false;
  const content = await findHistory(context, { system: context.system.system, source: context.sourceName, timeline: timeline.timeline });
  if (content === undefined && timeline.parent === null) return false;
  writeFileSync(`${to}.part`, content ?? '', { mode: 0o600 });
  renameSync(`${to}.part`, to);
  return true;
}

/** The one recovery that a process fetches for. */
export class Fetching {
  #now: { store: SourceContext['store']; spool: string; postgresTimeline: number; fetcher: SegmentFetcher } | undefined;

  /** @returns undefined - nothing of that timeline is archived. */
  async of(context: SourceContext, spool: string, postgresTimeline: number): Promise<SegmentFetcher | undefined> {
    const now = this.#now;
    if (now?.store === context.store && now.spool === spool && now.postgresTimeline === postgresTimeline) return now.fetcher;
    const scope = await scopeOf(context, postgresTimeline);
    if (!scope) return undefined;
    const fetcher = new SegmentFetcher(context, { scope, spool, postgresTimeline });
    this.#now = { store: context.store, spool, postgresTimeline, fetcher };
    return fetcher;
  }
}

class SegmentFetcher {
  readonly #context: SourceContext;
  readonly #scope: TimelineScope;
  readonly #spool: string;
  readonly #postgresTimeline: number;
  readonly #objects: SliceObjects;
  /** of a segment */
  #bytes = 0;
  /** the log from where it is read on */
  #listed: AsyncGenerator<ListedSegment> | undefined;
  /** the number of the last that was brought, and the slice behind which it begins */
  #last: { number: number; after: string | undefined } | undefined;
  /** the last slice that was passed */
  #passed: string | undefined;
  #asked = -1;
  #filling: Promise<unknown> = Promise.resolve();

  constructor(context: SourceContext, of: { scope: TimelineScope; spool: string; postgresTimeline: number }) {
    this.#context = context;
    this.#scope = of.scope;
    this.#spool = of.spool;
    this.#postgresTimeline = of.postgresTimeline;
    this.#objects = new SliceObjects(context, of.scope, checkSegment);
  }

  async fetch(file: string, to: string): Promise<boolean> {
    // Everything that is on its way comes first: it may be this one.
    const spooled = join(this.#spool, file);
    if (!isRenamed(spooled, to)) {
      await this.#filling.catch(() => undefined);
      if (!isRenamed(spooled, to) && !(await this.#bring(file, to))) return false;
    }
    if (this.#bytes > 0) this.#asked = numberOfName(file, this.#bytes);
    return true;
  }

  /** Brings what is missing of those behind the one that was asked for. */
  fill(): Promise<unknown> {
    this.#filling = this.#filling.catch(() => undefined).then(async () => {
      while (this.#listed && this.#last && this.#last.number < this.#asked + fetchedAhead) {
        const next = await this.#next();
        // A hole, or one of which there is only a part yet: there will be more of it when it is asked for.
        if (!next?.ends || next.number !== this.#last.number + 1) return await this.#leave();
        await this.#put(next, join(this.#spool, this.#nameOf(next.number)));
      }
    });
    return this.#filling;
  }

  async #bring(file: string, to: string): Promise<boolean> {
    mkdirSync(this.#spool, { recursive: true, mode: 0o700 });
    // What an earlier recovery, or one that jumped, left there.
    for (const name of readdirSync(this.#spool)) rmSync(join(this.#spool, name), { force: true });
    const isNext = this.#bytes > 0 && this.#last && numberOfName(file, this.#bytes) >= this.#last.number;
    await this.#leave();
    // From the last one on: at the end of the log a server asks again and again.
    this.#passed = isNext ? this.#last!.after : undefined;
    this.#listed = groupSegments(believedSlices(this.#context, this.#scope, { startAfter: this.#passed }));
    for (;;) {
      const next = await this.#next();
      if (!next) break;
      this.#bytes ||= readPiece(await this.#objects.open(next.slices[0]!), next.slices[0]!.key).bytes;
      const wanted = numberOfName(file, this.#bytes);
      if (next.number > wanted) break;
      if (next.number === wanted) {
        await this.#put(next, to);
        return true;
      }
      this.#passed = next.slices.at(-1)!.key;
    }
    await this.#leave();
    return false;
  }

  async #next(): Promise<ListedSegment | undefined> {
    const { done, value } = await this.#listed!.next();
    return done ? undefined : value;
  }

  async #put(segment: ListedSegment, path: string): Promise<void> {
    const bytes = await assembleSegment(this.#objects, segment);
    writeFileSync(`${path}.part`, bytes, { mode: 0o600 });
    letGo(bytes);
    renameSync(`${path}.part`, path);
    this.#last = { number: segment.number, after: this.#passed };
    this.#passed = segment.slices.at(-1)!.key;
  }

  async #leave(): Promise<void> {
    await this.#listed?.return(undefined);
    this.#listed = undefined;
  }

  #nameOf = (number: number): string => segmentName({ timeline: this.#postgresTimeline, number, bytes: this.#bytes });
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
  const found = await timelineOf(context, { timeline: postgresTimeline });
  return found && { system: context.system.system, source: context.sourceName, timeline: found.timeline };
}
