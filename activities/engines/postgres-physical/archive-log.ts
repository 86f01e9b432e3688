import { setTimeout as sleep } from 'node:timers/promises';
import type { ArchiveOutcome, SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, parseRangeKey, type TimelineScope } from '../../../workflows/domain/layout.ts';
import { logPosition, logPositionAt, parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { formatVersion } from '../../../workflows/domain/stored-object.ts';
import { headSchema, type Gap } from '../../../workflows/domain/source-records.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { assertEpoch } from '../../store/epoch.ts';
import { findNewestHead, HeadWriter } from '../../store/heads.ts';
import { findSigned, putSigned } from '../../store/signed-object.ts';
import { readSliceNames, type StoredSlice } from '../../store/slice-names.ts';
import { currentTimeline } from '../../store/timelines.ts';
import { readPushState, type PushState } from './push-state.ts';
import { withSource } from './connect.ts';
import { readServerFacts, secondOf } from './server.ts';
import { receiveLog } from './receive-log.ts';
import { tellArchive } from './tell-archive.ts';
import { openTimeline } from './timeline.ts';

const lookEveryMs = seconds(2);
/** The server is asked less often than the store: each time is a login. */
const askEveryMs = seconds(10);
/** Another control plane, or a newer timeline, is seen at the latest after this time. */
const commandEveryMs = seconds(5);

/**
 * Receives the log where the system file says so (receive-log.ts); else watches the WAL that the server pushes (`holdfast wal-push`) for up to `forMs`. It stores nothing of the log itself: it puts the heads, tells how far the archive is behind, and
 * writes down as a gap what does not follow what was there, so that the workflow asks for a base.
 *
 * Killed anywhere, it begins with the bucket again; a gap is an object of its own, and found once.
 *
 * @returns why it ended: `handover` (time is up, or a newer timeline began), `gap`, `superseded` (another control plane).
 * @throws SourceUnavailable, StoreUnavailable - retryable; the first only while it is not known which server it is. BadInput - the server is another one.
 */
export async function archiveLog(context: SourceContext, input: SourceRef & { epoch: number; forMs: number }): Promise<ArchiveOutcome> {
  if (context.source.wal.by === 'receive') return await receiveLog(context, input);
  const untilMs = performance.now() + input.forMs;
  const { timeline, startedAt } = await withSource(context, async (client) => await openTimeline(context, await readServerFacts(client), 'first archive of the source'));
  return await new PushWatch(context, { system: input.system, source: input.source, timeline }, logPosition(secondOf(startedAt), 0)).run(untilMs);
}

class PushWatch {
  readonly #context: SourceContext;
  readonly #scope: TimelineScope;
  readonly #heads: HeadWriter;
  #archivedTo: LogPosition;
  /** no slice of this timeline is known */
  #isEmpty = true;
  #slices = 0;
  #storedBytes = 0;
  #server: PushState | undefined;
  #askedAtMs = -Infinity;
  #commandAtMs = -Infinity;

  constructor(context: SourceContext, scope: TimelineScope, from: LogPosition) {
    this.#context = context;
    this.#scope = scope;
    this.#heads = new HeadWriter(context, scope);
    this.#archivedTo = from;
  }

  async run(untilMs: number): Promise<ArchiveOutcome> {
    const { store, keys, signal } = this.#context;
    // What was pushed while nobody watched is looked through too: a hole in it is a gap like any other.
    const head = await findNewestHead(this.#context, this.#scope, async (key) => (await findSigned(store, keys, headSchema, key, { signal })).found);
    this.#archivedTo = head?.to ?? this.#archivedTo;
    this.#isEmpty = head === undefined;
    try {
      for (;;) {
        if (await this.#isOver()) return await this.#end('handover');
        const gap = await this.#follow();
        if (gap) return { ...(await this.#end('gap')), gap };
        await this.#askServer();
        this.#heartbeat();
        if (performance.now() >= untilMs) return await this.#end('handover');
        await sleep(lookEveryMs, undefined, { signal });
      }
    } catch (error) {
      if (signal.aborted) await this.#heads.leave();
      signal.throwIfAborted();
      if (error instanceof HoldfastError && error.type === 'EpochSuperseded') return await this.#end('superseded');
      throw error;
    }
  }

  /** Whether a newer timeline has begun. @throws EpochSuperseded - another control plane has the command. */
  async #isOver(): Promise<boolean> {
    if (performance.now() - this.#commandAtMs < commandEveryMs) return false;
    this.#commandAtMs = performance.now();
    const { store, keys, signal, epoch } = this.#context;
    await assertEpoch(store, this.#scope.system, epoch, { signal });
    const newest = await currentTimeline(store, keys, this.#scope, { signal });
    return newest !== undefined && newest.timeline > this.#scope.timeline;
  }

  /** What was pushed since the last look. @returns a hole before one of them that no gap says yet. */
  async #follow(): Promise<ArchiveOutcome['gap']> {
    const { store, signal } = this.#context;
    // The first segment that was pushed may have been finished before its timeline was begun.
    const startAfter = this.#isEmpty ? undefined : layout.slice(this.#scope, this.#archivedTo, logPosition(0, 0));
    for await (const slice of readSliceNames(store, this.#scope, { startAfter, signal })) {
      if ('unreadable' in slice || (!this.#isEmpty && slice.to <= this.#archivedTo)) continue;
      const before = this.#archivedTo;
      const isFirst = this.#isEmpty;
      this.#take(slice);
      await this.#heads.follow(slice);
      if (isFirst || slice.from <= before) continue;
      const gap = await this.#declare(before, slice.from);
      if (gap) return gap;
    }
    return null;
  }

  #take({ to, bytes }: StoredSlice): void {
    this.#isEmpty = false;
    this.#archivedTo = to;
    this.#slices += 1;
    this.#storedBytes += bytes;
  }

  /** Writes the gap down. @returns null - it is written down already, so a base was asked for. */
  async #declare(from: LogPosition, to: LogPosition): Promise<ArchiveOutcome['gap']> {
    const { store, keys, signal, epoch } = this.#context;
    for await (const { key, isDeleteMarker } of store.list(layout.gaps(this.#scope), { signal })) {
      if (!isDeleteMarker && parseRangeKey(key)?.to === to) return null;
    }
    const missing = parseLogPosition(to).ordinal - parseLogPosition(from).ordinal;
    const lost = { from, to, why: `${missing} WAL segments between were never pushed` };
    const gap: Gap = { format: formatVersion, kind: 'gap', ...this.#scope, epoch, ...lost, foundAt: new Date().toISOString() };
    await putSigned(store, keys, layout.gap(this.#scope, from, to), gap, { ifAbsent: true, signal }).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    });
    return lost;
  }

  /** A server that does not answer is no end of the watch: what it has pushed is in the store, and the lag says the rest. */
  async #askServer(): Promise<void> {
    if (performance.now() - this.#askedAtMs < askEveryMs) return;
    this.#askedAtMs = performance.now();
    try {
      this.#server = await withSource(this.#context, async (client) => await readPushState(client, this.#isEmpty ? null : { position: this.#archivedTo }));
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'SourceUnavailable') throw error;
      this.#server = { ...(this.#server ?? { sinceAt: logPositionAt(this.#archivedTo) }), failing: error.message };
    }
  }

  #heartbeat(): void {
    const lagMs = this.#server?.sinceAt ? Math.max(0, Date.now() - Date.parse(this.#server.sinceAt)) : 0;
    tellArchive(this.#context, { phase: this.#server?.failing ? `watching, and ${this.#server.failing}` : 'watching what the server pushes', timeline: this.#scope.timeline, archivedTo: this.#archivedTo, lagMs, slices: this.#slices, bytes: this.#storedBytes });
  }

  async #end(why: ArchiveOutcome['why']): Promise<ArchiveOutcome> {
    if (why !== 'superseded') await this.#heads.end();
    return { why, timeline: this.#scope.timeline, archivedTo: this.#archivedTo, slices: this.#slices, entries: this.#slices, gap: null };
  }
}
