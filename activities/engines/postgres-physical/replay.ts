import { setTimeout as sleep } from 'node:timers/promises';
import type { ReplayResult, TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { isMoment, logPositionAt, parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { listSlices } from '../../store/list-slices.ts';
import type { PhysicalPlace } from './place.ts';
import { readLogTail, readPidFile } from '../../tool/start-server.ts';
import { readManifest } from '../base/read-base.ts';
import { clusterOf } from './chain.ts';
import { forgetReached, noteReached } from './reached.ts';
import { requireTarget } from './restore.ts';
import { SegmentFeeder } from './segment-feeder.ts';
import { numberAt, numberBefore, parseLsn } from './segment.ts';
import { RecoveryWatch, startRecovering, type RecoveryState } from './target-server.ts';
import { requireBase } from './unpack.ts';

const lookEveryMs = 50;

/**
 * Lets the server replay its log before `limit`, and waits until it has: it is paused then, or waits for more, and answers queries that only read.
 *
 * Safe to repeat: a server that runs is found, and goes on where it is; one that was killed goes on from its own restart point.
 *
 * @throws TargetUnavailable - retryable: the server ended; the tail of its log is in the message. @throws ReplayFailed - it has been promoted already, to less than is asked for.
 * @throws ChainBroken, Tampered, ObjectMissing - a segment is missing or damaged; nothing but another point helps.
 */
export async function replayLog(context: SourceContext, { target, point, limit }: { target: TargetRef; point: RecoveryPoint; limit: LogPosition }): Promise<ReplayResult> {
  const cluster = clusterOf(await readManifest(context, point));
  const place = await requireTarget(context, target);
  await requireBase(place, point.base.backup);
  const feeder = new SegmentFeeder(context, place, { point, limit, cluster });
  const watch = new RecoveryWatch(context, place);
  const needsLog = point.log.slices > 0;
  // The limit is the first moment that is left out: of that second nothing is replayed, of the one before it everything.
  const stop = point.stop ?? (needsLog && isMoment(limit) ? { time: logPositionAt(limit) } : null);
  const reached = async (state: RecoveryState): Promise<ReplayResult> => {
    const result = await resultOf(context, state, { point, limit, segmentBytes: cluster.segmentBytes });
    feeder.clear();
    if (state.lsn !== null) await noteReached(place, { ...(state.paused ? { stop } : { stop: null, unmet: stop !== null }), lsn: state.lsn });
    return result;
  };
  try {
    feeder.forgetNotes();
    await forgetReached(place);
    await startRecovering(context, place, { major: cluster.major, stop });
    let ended: RecoveryState | undefined;
    for (;;) {
      context.signal.throwIfAborted();
      const state = await watch.look();
      if (state && !state.recovering) throw new HoldfastError('ReplayFailed', `the target of ${point.system}/${point.source} takes writes already: nothing more can be replayed into it`, { hint: 'remove the target, and begin with another run' });
      if (state?.paused) return await reached(state);
      if (!readPidFile(place.pidFile)) throw tooEarly(place) ?? new HoldfastError('TargetUnavailable', `the server that is restored in ${place.directory} has ended. Its log ends: ${readLogTail(place.logFile)}`);
      if (state && feeder.askedBeyond) {
        // Asked in vain once more, and nothing came of what it had: then it stands at the end.
        if (ended?.lsn === state.lsn) {
          if (point.stop) throw new HoldfastError('ReplayFailed', `the log ends, and ${'name' in point.stop ? `a restore point "${point.stop.name}"` : point.stop.lsn} is not in it`, { hint: 'see how it was named, or give a target time' });
          return await reached(state);
        }
        ended = state;
        feeder.forgetNotes();
      } else {
        if (state && state.lsn !== ended?.lsn) ended = undefined;
        await feeder.feed(state?.lsn ? numberAt(parseLsn(state.lsn), cluster.segmentBytes) : null);
      }
      context.progress({ phase: state ? 'replay by the server itself' : 'the server becomes consistent', done: feeder.brought, of: point.log.slices, unit: 'objects' });
      await sleep(lookEveryMs, undefined, { signal: context.signal });
    }
  } catch (error) {
    context.signal.throwIfAborted();
    throw error;
  } finally {
    await watch.end();
  }
}

/** A base is whole at its end only, which may lie behind the place that was asked for, in one and the same segment. */
function tooEarly({ logFile }: PhysicalPlace): HoldfastError | undefined {
  if (!/before consistent recovery point/.test(readLogTail(logFile))) return undefined;
  return new HoldfastError('ReplayFailed', 'what was asked for lies before the moment at which the base is whole', { hint: 'take an older base: name it by its id, or choose with "older"' });
}

/** What was reached is what the server says, never what was asked for; a second try finds the same. */
async function resultOf(context: SourceContext, { lsn, committedAt }: RecoveryState, { point, limit, segmentBytes }: { point: RecoveryPoint; limit: LogPosition; segmentBytes: number }): Promise<ReplayResult> {
  const { system, source, timeline, log } = point;
  const reached = lsn === null ? -1 : numberBefore(parseLsn(lsn), segmentBytes);
  let appliedTo: LogPosition | null = null;
  let slices = 0;
  if (log.slices > 0) {
    for await (const { to } of listSlices(context, { system, source, timeline }, { after: log.from, limit })) {
      if (parseLogPosition(to).ordinal > reached) break;
      appliedTo = to;
      slices += 1;
    }
  }
  return { appliedTo, appliedToAt: committedAt ?? logPositionAt(point.base.end), entries: slices, operations: 0, slices, discardedTransactions: 0 };
}
