import type { MongoClient } from 'mongodb';
import type { SourceRef } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { formatLogPosition, parseLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import { seconds } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { HeadWriter } from '../../../store/heads.ts';
import { listTimelines } from '../../../store/timelines.ts';
import { withSource } from '../connect.ts';
import { parseEntry } from '../oplog/oplog-entry.ts';
import { SliceObjects } from '../oplog/slice-object.ts';
import { readServerFacts } from '../server-facts.ts';
import { findResumePosition } from '../../../store/find-resume-position.ts';
import { findLostLog, firstPosition } from './held-log.ts';
import { SliceWriter } from './slice-writer.ts';
import { tailLog } from './tail-log.ts';

const finishWithinMs = seconds(60);

interface Drained {
  drained: boolean;
  to: LogPosition | null;
  note: string;
}

/**
 * After the fence: archives what the old primary's log still holds beyond the archive's end.
 *
 * It refuses writes by now, so its log has an end, and all of it is taken, also what no majority had: it was written before
 * the fence, and nothing else will go on from there. Safe to repeat: goes on from the end of the chain.
 *
 * @returns `drained: false` with the reason when its log cannot be read, is another one's, or has lost what comes next.
 */
export async function drainLog(context: SourceContext, input: SourceRef & { epoch: number; timeline: string }): Promise<Drained> {
  const scope = { system: input.system, source: input.source, timeline: input.timeline };
  const timelines = await listTimelines(context.store, context.keys, scope, { signal: context.signal });
  const timeline = timelines.find(({ body }) => body.timeline === input.timeline)?.body;
  if (!timeline) throw new HoldfastError('BadInput', `${input.system}/${input.source} has no timeline ${input.timeline}`);
  const end = await findResumePosition(context, scope);
  if (end === null) return { drained: false, to: null, note: 'nothing of this timeline was ever archived, so there is no end to go on from' };
  try {
    return await withSource(context, async (client) => {
      const { identity } = await readServerFacts(client);
      if (identity !== timeline.sourceIdentity) return { drained: false, to: end, note: `the server that answers is replica set ${identity}, not ${timeline.sourceIdentity}` };
      return await drain(context, client, new SliceObjects(context, scope), end);
    }, {
      environment: timeline.environment ?? context.source.environment,
      // It has stepped down, and there may be no primary any more.
      readPreference: 'secondaryPreferred',
      serverSelectionTimeoutMS: seconds(5),
      connectTimeoutMS: seconds(5),
    });
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'SourceUnavailable') throw error;
    return { drained: false, to: end, note: `the old primary's log cannot be read: ${error.message}` };
  }
}

async function drain(context: SourceContext, client: MongoClient, objects: SliceObjects, end: LogPosition): Promise<Drained> {
  const lost = await findLostLog(client, end);
  if (lost) return { drained: false, to: end, note: lost.why };
  const { bytes } = context.source.archive;
  // Fenced, so this stays its end: people are told how far off it is, in seconds of log, while production waits.
  const newest = (await firstPosition(client, {}, -1)) ?? end;
  const secondsTo = (position: LogPosition): number => parseLogPosition(position).seconds - parseLogPosition(end).seconds;
  const tell = (): void => {
    const { entries, archivedTo } = writer;
    context.progress({ phase: 'draining', done: entries, of: 0, unit: 'entries', archivedTo, logSeconds: secondsTo(archivedTo), logSecondsOf: Math.max(secondsTo(newest), secondsTo(archivedTo)) });
  };
  const writer = new SliceWriter(objects, end, { everyMs: Infinity, bytes }, context.signal, new HeadWriter(context, objects.scope), tell);
  for await (const batch of tailLog(client, end, { waitMs: 0, readConcern: 'local', follow: false })) {
    for (const raw of batch) writer.add(parseEntry(raw));
    await writer.room();
    context.signal.throwIfAborted();
    tell();
  }
  await writer.finish(finishWithinMs);
  return { drained: true, to: writer.archivedTo, note: `${writer.entries} entries after ${formatLogPosition(end)} were drained` };
}
