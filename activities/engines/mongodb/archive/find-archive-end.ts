import { coverSlices } from '../../../../workflows/domain/chain.ts';
import { layout, parseRangeKey, type TimelineScope } from '../../../../workflows/domain/layout.ts';
import { logPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import { gapSchema } from '../../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../../context.ts';
import { readSliceNames, type StoredSlice } from '../../../store/list-slices.ts';
import { findSigned } from '../../../store/signed-object.ts';

/** Slices and gaps of the last hour are looked at first: an archive that runs has its end there. */
const lookBackSeconds = 3600;

/** Where the archive of a timeline ends: behind its last slice, or behind a gap that was found after it. Null: it never began. */
export async function findArchiveEnd(context: SourceContext, scope: TimelineScope): Promise<LogPosition | null> {
  const recent = layout.slice(scope, logPosition(Math.floor(Date.now() / 1000) - lookBackSeconds, 0), logPosition(0, 0));
  const slices = (await lastSliceEnd(context, scope, recent)) ?? (await lastSliceEnd(context, scope, undefined));
  const gap = await lastGapEnd(context, scope);
  if (slices === null || gap === null) return slices ?? gap;
  return slices > gap ? slices : gap;
}

async function lastSliceEnd(context: SourceContext, scope: TimelineScope, startAfter: string | undefined): Promise<LogPosition | null> {
  const cover = coverSlices<StoredSlice>();
  let end: LogPosition | null = null;
  const take = (events: ReturnType<typeof cover.add>): void => {
    for (const event of events) if ('chosen' in event && (end === null || event.chosen.to > end)) end = event.chosen.to;
  };
  for await (const slice of readSliceNames(context.store, scope, { startAfter, signal: context.signal })) {
    if (!('unreadable' in slice)) take(cover.add(slice));
  }
  take(cover.end());
  return end;
}

async function lastGapEnd(context: SourceContext, scope: TimelineScope): Promise<LogPosition | null> {
  let last: { key: string; to: LogPosition } | null = null;
  for await (const version of context.store.list(layout.gaps(scope), { signal: context.signal })) {
    const range = parseRangeKey(version.key);
    if (!version.isDeleteMarker && range && (last === null || range.to > last.to)) last = { key: version.key, to: range.to };
  }
  if (!last) return null;
  const { found } = await findSigned(context.store, context.keys, gapSchema, last.key, { signal: context.signal });
  return found ? found.body.to : null;
}
