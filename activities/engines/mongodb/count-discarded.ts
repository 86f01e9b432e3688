import type { DiscardedOf, SourceRef } from '../../../workflows/contract.ts';
import type { DiscardedWrites } from '../../../workflows/domain/discarded-writes.ts';
import { describeError, HoldfastError } from '../../../workflows/domain/errors.ts';
import { isTimelineId, layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import { formatLogPosition, logPosition, parseLogPosition, previousLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import type { Timeline } from '../../../workflows/domain/source-records.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import { formatDuration } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { readSliceNames, type StoredSlice } from '../../store/slice-names.ts';
import { listTimelines } from '../../store/timelines.ts';
import { DivergedTally } from './diverged/diverged-tally.ts';
import { TransactionGatherer } from './oplog/gather-transactions.ts';
import { parseEntry } from './oplog/oplog-entry.ts';
import { splitDocuments } from './oplog/raw-elements.ts';
import { readLog } from './oplog/read-log.ts';

/** Log of one timeline that is left out. */
interface Stretch {
  scope: TimelineScope;
  /** left out: from its first entry on */
  from?: LogPosition | undefined;
  /** exclusive: where the next timeline goes on without the rest; left out: to its end */
  limit?: LogPosition | undefined;
}

/** A transaction lives a minute by default: one that is committed behind the moment may have begun this long before it. */
const lookBackSeconds = 120;
/** Longer than any slice ought to be. */
const longestSliceSeconds = 600;
const namespacesShown = 5;

/**
 * Counts the writes that the archive holds behind a recovery point: on the point's own timeline from its limit on, and on each that went on from
 * there since, to the newest. What an earlier recovery left out was discarded then, and is not counted again. Entries of the server's own
 * books and our canary are nobody's writes.
 *
 * Reads only, so a second try simply counts again. Where the log has a hole, is damaged, or there is no more time, the figure is a lower
 * bound and `atLeast` says why.
 *
 * @param input.forMs - no new slice is begun after this. @param input.of - of these collections alone, all of them named: who changes or drops a collection is not counted.
 */
export async function countDiscarded(
  context: SourceContext,
  { system, source, point, forMs, of }: SourceRef & { point: Pick<RecoveryPoint, 'timeline' | 'limit'>; forMs: number; of?: DiscardedOf | undefined },
): Promise<DiscardedWrites> {
  const untilMs = performance.now() + forMs;
  const tally = new DivergedTally({ ids: false });
  const wanted = of && new Set(of.namespaces);
  const { stretches, atLeast } = await stretchesBehind(context, { system, source }, point);
  let countedTo: LogPosition | null = null;
  for (const stretch of stretches) {
    const counted = await countStretch(context, stretch, { tally, untilMs, wanted, before: of?.before });
    countedTo = counted.to ?? countedTo;
    if (counted.stopped !== undefined) atLeast.push(counted.stopped);
    if (performance.now() < untilMs) continue;
    if (counted.stopped === undefined && stretch !== stretches.at(-1)) atLeast.push('the timelines after it');
    if (atLeast.length > 0) atLeast.push(`reading ended after ${formatDuration(forMs)}`);
    break;
  }
  const { namespaces, namespaceCount, inserts, updates, deletes, commandCount, firstAt, lastAt } = tally.result();
  return {
    inserts,
    updates,
    deletes,
    commands: commandCount,
    firstAt,
    lastAt,
    namespaces: (of ? namespaces : namespaces.slice(0, namespacesShown)).map((one) => ({ ns: one.ns, writes: one.inserts + one.updates + one.deletes })),
    namespaceCount,
    countedTo,
    atLeast: [...atLeast, ...tally.notCovered()],
  };
}

/** From the point's timeline to the newest, in order. */
async function stretchesBehind(context: SourceContext, of: SourceRef, { timeline, limit }: Pick<RecoveryPoint, 'timeline' | 'limit'>): Promise<{ stretches: Stretch[]; atLeast: string[] }> {
  if (!isTimelineId(timeline)) return { stretches: [], atLeast: ['an import is of no timeline of the source: all that the source holds, and the import does not'] };
  const known = new Map((await listTimelines(context.store, context.keys, of, { signal: context.signal })).map(({ body }) => [body.timeline, body]));
  const line: Timeline[] = [];
  let one = [...known.values()].at(-1);
  while (one && one.timeline !== timeline) {
    line.unshift(one);
    one = one.parent ? known.get(one.parent.timeline) : undefined;
  }
  const own: Stretch = { scope: { ...of, timeline }, from: limit };
  if (!one) return { stretches: [own], atLeast: [`what the source took since timeline ${timeline} was left for another, which did not go on from it`] };
  const stretches = [own, ...line.map((later): Stretch => ({ scope: { ...of, timeline: later.timeline } }))];
  // Where a timeline was left, the rest of it has been left out already.
  line.forEach((later, index) => (stretches[index]!.limit = later.parent?.limit));
  return { stretches, atLeast: [] };
}

/** @returns `to`: counted up to here; null: nothing lies there. `stopped`: why that is not its end. */
async function countStretch(
  context: SourceContext,
  { scope, from, limit }: Stretch,
  { tally, untilMs, wanted, before }: { tally: DivergedTally; untilMs: number; wanted: ReadonlySet<string> | undefined; before: LogPosition | undefined },
): Promise<{ to: LogPosition | null; stopped?: string }> {
  const first = await firstSlice(context, scope, from);
  if (!first || (limit !== undefined && first.from >= limit)) return { to: null };
  const earliest = from === undefined ? first.from : logPosition(Math.max(0, parseLogPosition(from).seconds - lookBackSeconds), 0);
  const gatherer = new TransactionGatherer();
  let to: LogPosition | null = null;
  let entries = 0;
  try {
    for await (const { slice, plain } of readLog(context, scope, { after: first.from > earliest ? first.from : earliest, ...(limit === undefined ? {} : { limit }) })) {
      for (const raw of splitDocuments(plain)) {
        const entry = parseEntry(raw);
        if ((limit !== undefined && entry.position >= limit) || (before !== undefined && entry.position >= before)) break;
        const { operations } = gatherer.take(entry);
        if (from !== undefined && entry.position < from) continue;
        to = entry.position;
        entries += 1;
        for (const operation of operations) if (!wanted || wanted.has(operation.ns)) tally.add(operation, entry.wallMs);
      }
      if (before !== undefined && slice.to >= before) return { to };
      context.progress({ phase: 'count what would be discarded', done: entries, of: 0, unit: 'entries' });
      if (performance.now() >= untilMs) return { to, stopped: `the log of ${scope.timeline} after ${formatLogPosition(slice.to)}` };
    }
    return { to };
  } catch (error) {
    // Another try may help, or nobody waits any more.
    if (!(error instanceof HoldfastError) || error.retryable || context.signal.aborted) throw error;
    return { to, stopped: `the log of ${scope.timeline} after ${to ? formatLogPosition(to) : formatLogPosition(earliest)} (${describeError(error).message})` };
  } finally {
    gatherer.close();
  }
}

/** The first slice that may hold something from `from` on, or shortly before. Only names are read. */
async function firstSlice(context: SourceContext, scope: TimelineScope, from: LogPosition | undefined): Promise<StoredSlice | undefined> {
  const near = from === undefined ? undefined : layout.slice(scope, logPosition(Math.max(0, parseLogPosition(from).seconds - longestSliceSeconds), 0), logPosition(0, 0));
  let first: StoredSlice | undefined;
  for await (const slice of readSliceNames(context.store, scope, { ...(near === undefined ? {} : { startAfter: near }), signal: context.signal })) {
    if ('unreadable' in slice) continue;
    first ??= slice;
    if (from === undefined || slice.to > previousLogPosition(from)) return first;
  }
  return undefined;
}
