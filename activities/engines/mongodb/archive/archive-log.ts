import { MongoServerError, type MongoClient } from 'mongodb';
import type { ArchiveHeartbeat, ArchiveOutcome, SourceRef } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../../../workflows/domain/layout.ts';
import { logPositionAt, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import { formatVersion } from '../../../../workflows/domain/stored-object.ts';
import type { Gap } from '../../../../workflows/domain/source-records.ts';
import { seconds } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { assertEpoch } from '../../../store/epoch.ts';
import { HeadWriter } from '../../../store/heads.ts';
import { putSigned } from '../../../store/signed-object.ts';
import { currentTimeline } from '../../../store/timelines.ts';
import { fromPrimary, namedError, withSource } from '../connect.ts';
import { changesFeatureVersion, parseEntry } from '../oplog/oplog-entry.ts';
import { SliceObjects } from '../oplog/slice-object.ts';
import { readServerFacts } from '../server-facts.ts';
import { sourceTimeline } from '../source-timeline.ts';
import { chooseStart } from './choose-start.ts';
import { findResumePosition } from '../../../store/find-resume-position.ts';
import { findLostLog, type LostLog } from './held-log.ts';
import { LagMeter } from './lag-meter.ts';
import { SliceWriter } from './slice-writer.ts';
import { tailLog } from './tail-log.ts';

/** Another control plane, or a newer timeline, is seen at the latest after this time. */
const commandCheckedEveryMs = seconds(5);
/** At the end of a round: how long the last slices may take to be written. */
const finishWithinMs = seconds(60);
/** The server overwrote the entry that the cursor stood on. */
const cappedPositionLost = 136;

/**
 * Tails the log into slices for up to `forMs`.
 *
 * Goes on from the end of the bucket's chain, whoever wrote it, so it may be killed at every line and run again: what
 * was not stored is still in the source's log. A store that does not answer costs no log either. Reads majority-committed
 * entries only: what is archived is never rolled back.
 *
 * @returns why it ended: `handover` (time is up, or a newer timeline began), `gap` (written down; a new base is needed),
 *   `election` (the primary changed or went away; all that was read is stored), `superseded` (another control plane).
 * @throws SourceUnavailable, StoreUnavailable - retryable. BadInput - the server is another replica set.
 */
export async function archiveLog(context: SourceContext, input: SourceRef & { epoch: number; forMs: number }): Promise<ArchiveOutcome> {
  const untilMs = performance.now() + input.forMs;
  return await withSource(context, async (client) => {
    const { identity } = await readServerFacts(client);
    const { timeline } = await sourceTimeline(context, { identity, epoch: context.epoch, why: 'first archive of the source' });
    const scope = { system: input.system, source: input.source, timeline };
    const from = (await findResumePosition(context, scope)) ?? (await chooseStart(context, client, scope));
    const round = new ArchiveRound(context, client, scope, from, untilMs);
    const lost = await findLostLog(client, from);
    return lost ? await round.endInGap(lost) : await round.run();
  }, fromPrimary);
}

type Why = ArchiveOutcome['why'];

class ArchiveRound {
  readonly #context: SourceContext;
  readonly #client: MongoClient;
  readonly #scope: TimelineScope;
  readonly #untilMs: number;
  readonly #writer: SliceWriter;
  readonly #lag = new LagMeter();
  #commandCheckedAtMs = -Infinity;
  /** what the last look at the bucket says: that it is not for us any more, or what it met */
  #commanded: { end?: 'superseded' | 'handover'; error?: unknown } = {};
  #asking = false;

  constructor(context: SourceContext, client: MongoClient, scope: TimelineScope, from: LogPosition, untilMs: number) {
    this.#context = context;
    this.#client = client;
    this.#scope = scope;
    this.#untilMs = untilMs;
    const { every, bytes } = context.source.archive;
    this.#writer = new SliceWriter(new SliceObjects(context, scope), from, { everyMs: every, bytes }, context.signal, new HeadWriter(context, scope));
  }

  async run(): Promise<ArchiveOutcome> {
    try {
      const end = await this.#tail();
      if (end === 'superseded') return this.#outcome(end);
      await this.#writer.finish(finishWithinMs);
      return typeof end === 'string' ? this.#outcome(end) : await this.endInGap(end);
    } catch (error) {
      if (this.#context.signal.aborted) await this.#writer.leave();
      this.#context.signal.throwIfAborted();
      // A slice may be refused before the look at the bucket says so.
      if (error instanceof HoldfastError && error.type === 'EpochSuperseded') return this.#outcome('superseded');
      return await this.#endAfter(error);
    }
  }

  /** Writes the gap down. Twice: the object is there already, and says the same. */
  async endInGap(lost: LostLog): Promise<ArchiveOutcome> {
    const gap: Gap = { format: formatVersion, kind: 'gap', ...this.#scope, epoch: this.#context.epoch, ...lost, foundAt: new Date().toISOString() };
    const { store, keys, signal, epoch } = this.#context;
    await assertEpoch(store, this.#scope.system, epoch, { signal });
    await putSigned(store, keys, layout.gap(this.#scope, lost.from, lost.to), gap, { ifAbsent: true, signal }).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    });
    return { ...this.#outcome('gap'), archivedTo: lost.to, gap: lost };
  }

  async #tail(): Promise<Exclude<Why, 'gap'> | LostLog> {
    const { every } = this.#context.source.archive;
    const waitMs = Math.min(500, Math.max(20, Math.floor(every / 4)));
    const log = tailLog(this.#client, this.#writer.readTo, { waitMs, readConcern: 'majority', follow: true });
    for await (const batch of log) {
      for (const raw of batch) {
        const entry = parseEntry(raw);
        // The files behind it are of another kind: no base from before it can be brought past it.
        if (changesFeatureVersion(entry)) return { from: this.#writer.readTo, to: entry.position, why: 'the feature compatibility version was changed' };
        this.#writer.add(entry);
      }
      const nowMs = performance.now();
      this.#writer.tick();
      this.#heartbeat();
      await this.#writer.room();
      this.#context.signal.throwIfAborted();
      this.#checkCommand(nowMs);
      if (this.#commanded.error !== undefined) throw this.#commanded.error;
      if (this.#commanded.end) return this.#commanded.end;
      if (nowMs >= this.#untilMs) return 'handover';
    }
    return 'election';
  }

  /** Looks, beside the reading, whether it still is for us to write: each slice asks by itself, so that nothing has to wait for this. */
  #checkCommand(nowMs: number): void {
    if (this.#asking || nowMs - this.#commandCheckedAtMs < commandCheckedEveryMs || this.#writer.storeSilentSinceMs !== null) return;
    this.#commandCheckedAtMs = nowMs;
    this.#asking = true;
    void this.#askBucket()
      .then((end) => void (this.#commanded = end ? { end } : {}), (error: unknown) => void (this.#commanded = { error }))
      .finally(() => (this.#asking = false));
  }

  /** Whether it still is for us to write, and to this timeline. A store that does not answer is asked again later. */
  async #askBucket(): Promise<'superseded' | 'handover' | undefined> {
    const { store, keys, signal, epoch } = this.#context;
    try {
      await assertEpoch(store, this.#scope.system, epoch, { signal });
      const newest = await currentTimeline(store, keys, this.#scope, { signal });
      return newest && newest.timeline > this.#scope.timeline ? 'handover' : undefined;
    } catch (error) {
      if (error instanceof HoldfastError && error.type === 'EpochSuperseded') return 'superseded';
      if (error instanceof HoldfastError && error.type === 'StoreUnavailable') return undefined;
      throw error;
    }
  }

  /** The source or its log went away: what was read is stored first, since it may exist nowhere else by now. */
  async #endAfter(error: unknown): Promise<ArchiveOutcome> {
    const named = namedError(error, this.#client, 'SourceUnavailable');
    const lost = named instanceof HoldfastError && named.type === 'LogGap' || (error instanceof MongoServerError && error.code === cappedPositionLost);
    const away = named instanceof HoldfastError && named.type === 'SourceUnavailable';
    if (!lost && !away) throw error;
    await this.#writer.finish(finishWithinMs);
    if (away) return this.#outcome('election');
    const gap = await findLostLog(this.#client, this.#writer.archivedTo);
    return gap ? await this.endInGap(gap) : this.#outcome('election');
  }

  #heartbeat(): void {
    const { archivedTo, slices, storedBytes, entries, storeSilentSinceMs } = this.#writer;
    const lagMs = this.#writer.lagMs(Date.now());
    const heartbeat: ArchiveHeartbeat = {
      phase: storeSilentSinceMs === null ? 'archiving' : 'waiting for the store',
      timeline: this.#scope.timeline,
      archivedTo,
      archivedToAt: logPositionAt(archivedTo),
      lagMs,
      caughtUpInMs: this.#lag.take(lagMs, performance.now()),
      slices,
      bytes: storedBytes,
      entries,
    };
    this.#context.progress({ ...heartbeat, done: entries, of: 0, unit: 'entries' });
  }

  #outcome(why: Why): ArchiveOutcome {
    const { archivedTo, slices, entries } = this.#writer;
    return { why, timeline: this.#scope.timeline, archivedTo, slices, entries, gap: null };
  }
}
