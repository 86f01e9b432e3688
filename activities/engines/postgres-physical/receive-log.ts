import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { ArchiveOutcome, SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import { logPosition, logPositionAt, parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { formatVersion } from '../../../workflows/domain/stored-object.ts';
import type { Gap } from '../../../workflows/domain/source-records.ts';
import { mib, seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { assertEpoch } from '../../store/epoch.ts';
import { HeadWriter } from '../../store/heads.ts';
import { putSigned } from '../../store/signed-object.ts';
import { currentTimeline } from '../../store/timelines.ts';
import { SliceObjects } from '../base/slice-objects.ts';
import { configOf, withoutValues, type Place } from '../postgres/connect.ts';
import { withSource } from './connect.ts';
import { keepHistoryOf } from './history.ts';
import { beginOf, findGap, openSlot, slotOf, type Begin } from './receive-begin.ts';
import { checkSegment, formatLsn, makePiece, numberBefore, segmentName } from './segment.ts';
import { readServerFacts, type ServerFacts } from './server.ts';
import { findStoredEnd } from './stored-end.ts';
import { tellArchive } from './tell-archive.ts';
import { openTimeline } from './timeline.ts';
import { WalStream, type ServerEnd, type WalChunk } from './wal-stream.ts';

/** Log that waits for a store that does not answer; above it nothing more is read, and the server keeps it in the slot. */
const waitingBytes = mib(64);
const commandEveryMs = seconds(5);
const lookEveryMs = 100;
const retryAfterMs = seconds(1);
const finishWithinMs = seconds(60);

/** The server does not have that part of its log any more. */
const removed = '58P01';

interface Piece {
  lsn: bigint;
  body: Buffer[];
  bytes: number;
  /** when all that the server had logged by then is in it, or before it; null: it is a whole end of a segment that was received late */
  atMs: number | null;
}

/**
 * Receives the log as it is written, for up to `forMs`, and stores it in pieces: every `archive.every` while it is up to date, and at each segment's end. A slot of the server keeps what is not in the
 * store yet, so it may be killed at every line and run again. Pieces go up one after another: a slice is never there before the one that it touches.
 *
 * A piece's moment is the server's own clock when it sent the last byte of all that it had. While we are behind that is not known, so no piece is cut within a segment, and a segment's moment is
 * that of its file.
 *
 * @returns `handover`, `gap` (the slot did not keep it: written down, a new base is needed), `election` (the server went away; all that was received is stored), `superseded`.
 * @throws SourceUnavailable, StoreUnavailable - retryable. BadInput - the server is another one.
 */
export async function receiveLog(context: SourceContext, input: SourceRef & { epoch: number; forMs: number }): Promise<ArchiveOutcome> {
  const untilMs = performance.now() + input.forMs;
  return await withSource(context, async (client, place) => {
    const facts = await readServerFacts(client);
    const opened = await openTimeline(context, facts, 'first archive of the source');
    await keepHistoryOf(context, place, opened, facts);
    const { timeline } = opened;
    const scope = { system: input.system, source: input.source, timeline };
    const slot = slotOf(context);
    const kept = await openSlot(client, slot);
    const stored = await findStoredEnd(context, scope);
    const begin = beginOf(facts, kept, stored);
    const known = stored && begin.lsn > stored.lsn ? await findGap(context, scope, stored.position) : null;
    // A gap is told once; from then on its end is where the log goes on.
    const goesOn = known !== null && parseLogPosition(known).ordinal === parseLogPosition(begin.position).ordinal;
    const round = new ReceiveRound(context, { client, place, facts, scope, slot }, goesOn ? { ...begin, position: known } : begin);
    if (stored && begin.lsn > stored.lsn && !goesOn) return await round.endInGap({ from: stored.position, to: begin.position, why: `the server's slot "${slot}" begins at ${formatLsn(kept)}: what was before it was removed before it was archived` });
    return await round.run(untilMs);
  });
}

interface Server {
  client: pg.Client;
  place: Place;
  facts: ServerFacts;
  scope: TimelineScope;
  slot: string;
}

class ReceiveRound {
  readonly #context: SourceContext;
  readonly #server: Server;
  readonly #objects: SliceObjects;
  readonly #heads: HeadWriter;
  #stream: WalStream | undefined;
  /** where the next piece begins, as its position once those that wait are stored */
  #position: LogPosition;
  #open: Piece;
  #openedAtMs: number | null = null;
  #waiting: Piece[] = [];
  #waitingBytes = 0;
  #putting: Promise<void> | undefined;
  #failure: unknown;
  #serverEnd: ServerEnd | null = null;
  #silentSinceMs: number | null = null;
  #slices = 0;
  #storedBytes = 0;
  #commandAtMs = -Infinity;

  constructor(context: SourceContext, server: Server, { position, lsn }: Begin) {
    this.#context = context;
    this.#server = server;
    this.#objects = new SliceObjects(context, server.scope, checkSegment);
    this.#heads = new HeadWriter(context, server.scope);
    this.#position = position;
    this.#open = { lsn, body: [], bytes: 0, atMs: null };
  }

  async run(untilMs: number): Promise<ArchiveOutcome> {
    const { signal } = this.#context;
    const { place, facts, slot } = this.#server;
    let away: unknown;
    try {
      this.#stream = await WalStream.open(configOf(place), { slot, timeline: facts.timeline, from: this.#open.lsn }, (end, chunk) => this.#take(end, chunk));
      this.#stream.ended.catch((error: unknown) => void (away ??= error));
      while (away === undefined && performance.now() < untilMs) {
        signal.throwIfAborted();
        if (this.#failure !== undefined) throw this.#failure;
        if (await this.#isOver()) break;
        this.#cutWhenDue();
        this.#heartbeat();
        await sleep(lookEveryMs, undefined, { signal });
      }
      await this.#finish();
      return this.#outcome(away === undefined ? 'handover' : 'election');
    } catch (error) {
      if (signal.aborted) {
        await this.#putting?.catch(() => undefined);
        await this.#heads.leave();
      }
      signal.throwIfAborted();
      if (error instanceof HoldfastError && error.type === 'EpochSuperseded') return this.#outcome('superseded');
      if (error instanceof pg.DatabaseError && error.code === removed) {
        throw new HoldfastError('SourceUnavailable', `the server does not keep its log from ${formatLsn(this.#open.lsn)} on: ${error.message}`, { hint: `drop its slot "${slot}": the next round begins anew, and says what is lost` });
      }
      // Whatever else it says of its stream, another round may find it otherwise.
      if (error instanceof pg.DatabaseError) throw new HoldfastError('SourceUnavailable', `the server does not stream its log: ${withoutValues(error)}`, { cause: error });
      throw error;
    } finally {
      this.#stream?.close();
    }
  }

  /** Writes the gap down. Twice: the object is there already, and says the same. */
  async endInGap(lost: { from: LogPosition; to: LogPosition; why: string }): Promise<ArchiveOutcome> {
    const { store, keys, signal, epoch } = this.#context;
    const { scope } = this.#server;
    const gap: Gap = { format: formatVersion, kind: 'gap', ...scope, epoch, ...lost, foundAt: new Date().toISOString() };
    await assertEpoch(store, scope.system, epoch, { signal });
    await putSigned(store, keys, layout.gap(scope, lost.from, lost.to), gap, { ifAbsent: true, signal }).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    });
    return { ...this.#outcome('gap'), gap: lost };
  }

  #take(end: ServerEnd, chunk: WalChunk | null): void {
    this.#serverEnd = end;
    const { segmentBytes } = this.#server.facts;
    for (let at = 0; chunk && at < chunk.data.length;) {
      const left = segmentBytes - Number((this.#open.lsn + BigInt(this.#open.bytes)) % BigInt(segmentBytes));
      const part = Buffer.from(chunk.data.subarray(at, at + left));
      this.#open.body.push(part);
      this.#open.bytes += part.length;
      this.#openedAtMs ??= performance.now();
      at += part.length;
      if (part.length === left) this.#cut(this.#isUpToDate ? end.atMs : null);
    }
    if (this.#waitingBytes > waitingBytes) this.#stream?.pause();
  }

  /** All that the server had when it sent the last of it is here. */
  get #isUpToDate(): boolean {
    return this.#serverEnd !== null && this.#open.lsn + BigInt(this.#open.bytes) >= this.#serverEnd.lsn;
  }

  #cutWhenDue(): void {
    const { every } = this.#context.source.archive;
    if (this.#openedAtMs === null || performance.now() - this.#openedAtMs < every || this.#putting || !this.#isUpToDate) return;
    this.#cut(this.#serverEnd!.atMs);
  }

  #cut(atMs: number | null): void {
    const piece = { ...this.#open, atMs };
    if (piece.bytes === 0) return;
    this.#open = { lsn: piece.lsn + BigInt(piece.bytes), body: [], bytes: 0, atMs: null };
    this.#openedAtMs = null;
    this.#waiting.push(piece);
    this.#waitingBytes += piece.bytes;
    this.#putting ??= this.#putWaiting();
  }

  async #putWaiting(): Promise<void> {
    try {
      for (let [piece] = this.#waiting; piece; [piece] = this.#waiting) {
        const to = await this.#positionOf(piece);
        const range = { from: this.#position, to };
        await this.#put(range, makePiece({ lsn: piece.lsn, system: this.#server.facts.system, segmentBytes: this.#server.facts.segmentBytes }, piece.body));
        this.#waiting.shift();
        this.#waitingBytes -= piece.bytes;
        if (this.#waitingBytes <= waitingBytes / 2) this.#stream?.resume();
        this.#position = to;
        this.#slices += 1;
        this.#stream?.durableTo(piece.lsn + BigInt(piece.bytes));
        await this.#heads.follow(range);
      }
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#putting = undefined;
    }
  }

  /** Of two pieces inside a segment the later one has a later second: it is all that tells them apart. */
  async #positionOf({ lsn, bytes, atMs }: Piece): Promise<LogPosition> {
    const { segmentBytes } = this.#server.facts;
    const end = lsn + BigInt(bytes);
    const number = numberBefore(end, segmentBytes);
    // A position counts segments that are whole.
    const ordinal = end % BigInt(segmentBytes) === 0n ? number : number - 1;
    const before = parseLogPosition(this.#position);
    const second = Math.floor((atMs ?? (await this.#finishedAtMs(number))) / 1000);
    return logPosition(Math.max(second, before.ordinal === ordinal ? before.seconds + 1 : before.seconds), ordinal);
  }

  /** When the server wrote a segment last: it keeps its file while its slot does. */
  async #finishedAtMs(number: number): Promise<number> {
    const { client, facts } = this.#server;
    const name = segmentName({ timeline: facts.timeline, number, bytes: facts.segmentBytes });
    const { rows } = await client.query<{ at: Date }>('SELECT modification AS at FROM pg_ls_waldir() WHERE name = $1', [name]);
    return rows[0]?.at.getTime() ?? this.#serverEnd?.atMs ?? Date.now();
  }

  /** A store that does not answer is asked again and again: the log waits in memory, and then at the server. */
  async #put(range: { from: LogPosition; to: LogPosition }, plain: Buffer): Promise<void> {
    const { signal } = this.#context;
    for (;;) {
      try {
        this.#storedBytes += await this.#objects.put(range, plain);
        this.#silentSinceMs = null;
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof HoldfastError) || error.type !== 'StoreUnavailable') throw error;
        this.#silentSinceMs ??= performance.now();
        await sleep(retryAfterMs, undefined, { signal });
      }
    }
  }

  /** Stores all that was received. @throws StoreUnavailable - not in time: the server still keeps it. */
  async #finish(): Promise<void> {
    if (this.#isUpToDate) this.#cut(this.#serverEnd!.atMs);
    const late = new AbortController();
    const outcome = await Promise.race([this.#putting, sleep(finishWithinMs, 'late' as const, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    if (this.#failure !== undefined) throw this.#failure;
    if (outcome === 'late') throw new HoldfastError('StoreUnavailable', `the store has not taken ${this.#waiting.length} pieces of the log within ${finishWithinMs / 1000} s`);
    await this.#heads.end();
  }

  /** Whether a newer timeline has begun. @throws EpochSuperseded - another control plane has the command. */
  async #isOver(): Promise<boolean> {
    if (performance.now() - this.#commandAtMs < commandEveryMs || this.#silentSinceMs !== null) return false;
    this.#commandAtMs = performance.now();
    const { store, keys, signal, epoch } = this.#context;
    const { scope } = this.#server;
    await assertEpoch(store, scope.system, epoch, { signal });
    const newest = await currentTimeline(store, keys, scope, { signal });
    return newest !== undefined && newest.timeline > scope.timeline;
  }

  #heartbeat(): void {
    const sinceOpenedMs = this.#openedAtMs === null ? 0 : Math.round(performance.now() - this.#openedAtMs);
    const lagMs = this.#waiting.length > 0 ? Math.max(0, Date.now() - Date.parse(logPositionAt(this.#position))) : sinceOpenedMs;
    tellArchive(this.#context, { phase: this.#silentSinceMs === null ? 'receiving' : 'waiting for the store', timeline: this.#server.scope.timeline, archivedTo: this.#position, lagMs, slices: this.#slices, bytes: this.#storedBytes });
  }

  #outcome(why: ArchiveOutcome['why']): ArchiveOutcome {
    return { why, timeline: this.#server.scope.timeline, archivedTo: this.#position, slices: this.#slices, entries: this.#slices, gap: null };
  }
}
