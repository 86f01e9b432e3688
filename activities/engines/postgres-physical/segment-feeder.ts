import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layout } from '../../../workflows/domain/layout.ts';
import { isMoment, logPosition, parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import type { PhysicalPlace } from './place.ts';
import { listSlices } from '../../store/list-slices.ts';
import { readSliceNames, type StoredSlice } from '../../store/slice-names.ts';
import { giveTo } from '../../tool/server-account.ts';
import { SliceObjects } from '../base/slice-objects.ts';
import { assembleSegment, groupSegments, type ListedSegment } from './assemble.ts';
import { LogWalk, type MadeTablespace } from './log-walk.ts';
import { checkSegment, kindOfFile, numberOfName, numberOfSlice, segmentName } from './segment.ts';

/** Segments that lie ready for the server at most: what bounds the spool. */
const readyAtMost = 8;
/** How long ago a segment may have been begun that a base's log begins in: an idle server's. Found too short, the base's own WAL has it. */
const headWithinSeconds = 24 * 3600;
/** Opened side by side. */
const openedAtOnce = 4;

/** The note that the server's restore_command leaves of a file that it asked for in vain. */
export const noteName = (file: string): string => `wanted.${file}`;

/**
 * Brings a recovering server the segments that it asks for, and those behind them before it asks. What it takes it moves away itself, so what lies there is what is
 * ready. Wherever either side was killed, the next note says where to go on.
 */
export class SegmentFeeder {
  readonly #context: SourceContext;
  readonly #place: PhysicalPlace;
  readonly #point: RecoveryPoint;
  readonly #limit: LogPosition;
  readonly #cluster: { timeline: number; segmentBytes: number };
  readonly #objects: SliceObjects;
  readonly #walk = new LogWalk();
  #segments: AsyncGenerator<ListedSegment> | undefined;
  /** numbers that the present listing has given so far, the furthest of them, and that it has no more */
  readonly #known = new Set<number>();
  #listedTo = -1;
  #exhausted = false;
  /** how many were brought, each once */
  brought = 0;
  #broughtTo = -1;
  /** the last one, of which only a part was archived: the server asks for it again and again */
  #unended = -1;

  constructor(context: SourceContext, place: PhysicalPlace, of: { point: RecoveryPoint; limit: LogPosition; cluster: { timeline: number; segmentBytes: number } }) {
    this.#context = context;
    this.#place = place;
    this.#point = of.point;
    this.#limit = of.limit;
    this.#cluster = of.cluster;
    this.#objects = new SliceObjects(context, { system: of.point.system, source: of.point.source, timeline: of.point.timeline }, checkSegment);
  }

  /** Forgets what was asked for before: a server that runs asks again at once. */
  forgetNotes(): void {
    for (const { file, isNote } of this.#files()) if (isNote) rmSync(join(this.#place.spool, noteName(file)), { force: true });
  }

  /** Nothing of the log stays beside the data once it is not wanted any more. */
  clear(): void {
    for (const name of readdirSync(this.#place.spool)) rmSync(join(this.#place.spool, name), { force: true });
  }

  /** Whether the server has taken all that there is, and has asked for more. */
  get askedBeyond(): boolean {
    const files = this.#files();
    return this.#exhausted && !files.some(({ isNote }) => !isNote) && files.some(({ isNote, number }) => isNote && (number > this.#listedTo || number === this.#unended));
  }

  /** @param replayed - the segment that the server is in; null: not known. */
  async feed(replayed: number | null): Promise<void> {
    const files = this.#files();
    const ready = new Set(files.flatMap(({ isNote, number }) => (isNote ? [] : [number])));
    for (const number of ready) {
      // Brought twice: the server had taken it while its note still lay there.
      if (replayed === null || number >= replayed) continue;
      rmSync(join(this.#place.spool, this.#nameOf(number)), { force: true });
      ready.delete(number);
    }
    const wanted = files.flatMap(({ isNote, number }) => (isNote && !ready.has(number) ? [number] : [])).filter((number) => number > this.#listedTo || this.#known.has(number)).sort((a, b) => a - b);
    if (wanted.length === 0 && this.#segments === undefined) return;
    const first = wanted[0] ?? this.#listedTo + 1;
    // Asked for again: its server was started anew, and goes on from earlier.
    if (first <= this.#listedTo) await this.#listAnew();
    while (ready.size < readyAtMost && !this.#exhausted) {
      const batch = await this.#next(Math.min(openedAtOnce, readyAtMost - ready.size), first);
      await Promise.all(batch.map(async (segment) => await this.#bring(segment)));
      for (const { number } of batch) ready.add(number);
    }
  }

  #files(): { file: string; number: number; isNote: boolean }[] {
    return readdirSync(this.#place.spool).flatMap((name) => {
      const isNote = name.startsWith(noteName(''));
      const file = isNote ? name.slice(noteName('').length) : name;
      return kindOfFile(file) === 'segment' ? [{ file, number: numberOfName(file, this.#cluster.segmentBytes), isNote }] : [];
    });
  }

  #nameOf = (number: number): string => segmentName({ timeline: this.#cluster.timeline, number, bytes: this.#cluster.segmentBytes });

  async #listAnew(): Promise<void> {
    await this.#segments?.return(undefined);
    this.#segments = undefined;
    this.#known.clear();
    this.#listedTo = -1;
    this.#exhausted = false;
  }

  /** The next ones from segment `first` on. */
  async #next(atMost: number, first: number): Promise<ListedSegment[]> {
    this.#segments ??= this.#listSegments();
    const segments: ListedSegment[] = [];
    while (segments.length < atMost) {
      const { done, value } = await this.#segments.next();
      if (done) {
        this.#exhausted = true;
        return segments;
      }
      this.#known.add(value.number);
      this.#listedTo = value.number;
      if (value.number >= first) segments.push(value);
    }
    return segments;
  }

  async *#listSegments(): AsyncGenerator<ListedSegment> {
    let isFirst = true;
    for await (const segment of groupSegments(this.#listAll())) {
      yield isFirst ? { ...segment, slices: [...(await this.#headOf(segment.slices[0]!, segment.number)), ...segment.slices] } : segment;
      isFirst = false;
    }
  }

  /** A base's log begins inside a segment, and the server reads a segment from its beginning: the pieces before it, where there are any. */
  async #headOf(first: StoredSlice, number: number): Promise<StoredSlice[]> {
    const { system, source, timeline } = this.#point;
    const scope = { system, source, timeline };
    const before = new Map<string, StoredSlice>();
    const near = layout.slice(scope, logPosition(Math.max(0, parseLogPosition(first.from).seconds - headWithinSeconds), 0), logPosition(0, 0));
    for await (const slice of readSliceNames(this.#context.store, scope, { startAfter: near, signal: this.#context.signal })) {
      if ('unreadable' in slice) continue;
      if (slice.from >= first.from) break;
      const of = numberOfSlice(slice);
      if (of.number === number && !of.ends) before.set(slice.to, slice);
    }
    const head: StoredSlice[] = [];
    for (let at = before.get(first.from); at; at = before.get(at.from)) head.unshift(at);
    return head;
  }

  async *#listAll(): AsyncGenerator<StoredSlice> {
    if (this.#point.log.slices === 0) return;
    const { system, source, timeline, log } = this.#point;
    const scope = { system, source, timeline };
    let reached = log.from;
    for await (const slice of listSlices(this.#context, scope, { after: log.from, limit: this.#limit })) {
      reached = slice.to;
      yield slice;
    }
    if (isMoment(this.#limit)) yield* this.#oneMore(scope, reached);
  }

  /** A commit takes its time a moment before it is logged, so the last of a second may lie in the segment behind that second. */
  async *#oneMore(scope: { system: string; source: string; timeline: string }, after: LogPosition): AsyncGenerator<StoredSlice> {
    try {
      for await (const slice of listSlices(this.#context, scope, { after })) {
        yield slice;
        return;
      }
    } catch (error) {
      // What is broken behind the moment is no part of it.
      if (!(error instanceof HoldfastError) || error.type !== 'ChainBroken') throw error;
    }
  }

  async #bring(segment: ListedSegment): Promise<void> {
    const { number, ends } = segment;
    const whole = await assembleSegment(this.#objects, segment);
    if (!ends) this.#unended = number;
    for (const made of this.#walk.add(whole, number)) this.#refuseTaken(made);
    const path = join(this.#place.spool, this.#nameOf(number));
    const draft = join(this.#place.spool, `.${this.#nameOf(number)}`);
    // The directory is the server's: where it had laid a link there, root would write behind it.
    rmSync(draft, { force: true });
    writeFileSync(draft, whole, { mode: 0o600, flag: 'wx' });
    giveTo(this.#place.account, draft);
    renameSync(draft, path);
    rmSync(join(this.#place.spool, noteName(this.#nameOf(number))), { force: true });
    if (number <= this.#broughtTo) return;
    this.#broughtTo = number;
    this.brought += 1;
  }

  /** Where the log makes a tablespace the server makes it too, at the same path: of another server on this machine, which may be the source itself, it would take the files. */
  #refuseTaken({ oid, path }: MadeTablespace): void {
    const note = join(this.#place.directory, `tablespace-${oid}.made`);
    // What this server has made itself by now it finds again.
    if (existsSync(note)) return;
    const holds = existsSync(path) ? readdirSync(path).filter((name) => name.startsWith('PG_')) : [];
    if (holds.length > 0) {
      throw new HoldfastError('TargetNotEmpty', `the log makes a tablespace in ${path}, and there is one of some server on this machine: replaying it would write into that`, { hint: 'recover on another machine, to a moment before it, or from a base that was taken after it: a base brings its tablespaces to a place of their own' });
    }
    writeFileSync(note, `${path}\n`, { mode: 0o600 });
  }
}
