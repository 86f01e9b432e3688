import { setTimeout as sleep } from 'node:timers/promises';
import { ulid } from 'ulid';
import type { SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import { formatLogPosition, logPosition, parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { readSliceNames } from '../../store/slice-names.ts';
import { currentTimeline } from '../../store/timelines.ts';
import { SliceObjects } from '../base/slice-objects.ts';
import { withSource } from './connect.ts';
import { checkSegment, numberBefore, numberOfSlice, parseLsn, readPiece } from './segment.ts';
import { positionIn, readServerFacts } from './server.ts';

const lookEveryMs = seconds(0.5);
/** An archive that begins only now, since its worker was lost with the old server, holds nothing of before: it is given another point to hold. */
const pointEveryMs = seconds(20);

/**
 * Proves that the archive runs: logs a restore point of its own name, ends the segment, and waits until that segment, read back from the store and authenticated, holds the name. Another one
 * from time to time: any of them proves it. Twice: other points.
 *
 * @returns `proved: false` when no slice held it within `withinMs`.
 * @throws SourceUnavailable, StoreUnavailable - retryable. NotPermitted - the user may do neither. BadInput - the source has no timeline yet.
 */
export async function proveArchive(context: SourceContext, input: SourceRef & { run: string; withinMs: number }): Promise<{ proved: boolean; position: LogPosition; tookMs: number }> {
  const startedMs = performance.now();
  const of = { system: input.system, source: input.source };
  const timeline = await currentTimeline(context.store, context.keys, of, { signal: context.signal });
  if (!timeline) throw new HoldfastError('BadInput', `${input.system}/${input.source} has no timeline: its archive never began`, { hint: 'take a base, or start the archive first' });
  const scope = { ...of, timeline: timeline.timeline };
  const points: Point[] = [];
  for (;;) {
    const tookMs = Math.round(performance.now() - startedMs);
    if (tookMs >= points.length * pointEveryMs) points.unshift(await logPoint(context));
    for (const point of points) if (await holds(context, scope, point)) return { proved: true, position: point.position, tookMs: Math.round(performance.now() - startedMs) };
    const { position } = points[0]!;
    if (tookMs >= input.withinMs) return { proved: false, position, tookMs };
    context.progress({ phase: `waiting for a slice with ${formatLogPosition(position)}`, done: 0, of: 0, unit: 'answers' });
    await sleep(lookEveryMs, undefined, { signal: context.signal });
  }
}

interface Point {
  name: string;
  /** of its segment */
  number: number;
  position: LogPosition;
}

async function logPoint(context: SourceContext): Promise<Point> {
  const name = `holdfast ${ulid()}`;
  return await withSource(context, async (client) => {
    const facts = await readServerFacts(client);
    const { rows } = await client.query<{ lsn: string }>('SELECT pg_create_restore_point($1)::text AS lsn', [name]);
    await client.query('SELECT pg_switch_wal()');
    const number = numberBefore(parseLsn(rows[0]!.lsn), facts.segmentBytes);
    return { name, number, position: positionIn(facts.at, number) };
  });
}

/** Its slice begins behind the segment before it, which may have been finished long ago: a source that was idle. */
async function holds(context: SourceContext, scope: TimelineScope, { position, number, name }: Point): Promise<boolean> {
  const { seconds: at } = parseLogPosition(position);
  const near = layout.slice(scope, logPosition(Math.max(0, at - 600), 0), logPosition(0, 0));
  const objects = new SliceObjects(context, scope, checkSegment);
  for (const startAfter of [near, undefined]) {
    const bodies: Buffer[] = [];
    for await (const slice of readSliceNames(context.store, scope, { startAfter, signal: context.signal })) {
      if ('unreadable' in slice || numberOfSlice(slice).number !== number) continue;
      const plain = await objects.open(slice);
      checkSegment(slice, plain);
      // What is received may be cut in the middle of the name.
      bodies.push(readPiece(plain, slice.key).body);
      if (Buffer.concat(bodies).includes(name)) return true;
    }
  }
  return false;
}
