import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { TimelineScope } from '../../../../workflows/domain/layout.ts';
import { logPosition, parseLogPosition } from '../../../../workflows/domain/log-position.ts';
import type { StoredSlice } from '../../../store/slice-names.ts';
import { SliceObjects as AnySliceObjects, type SliceRoom } from '../../base/slice-objects.ts';
import { findTimestamp } from './oplog-entry.ts';
import { splitDocuments } from './raw-elements.ts';

/** Slices of an oplog: whole entries, one after another. */
export class SliceObjects extends AnySliceObjects {
  constructor(room: SliceRoom, scope: TimelineScope) {
    super(room, scope, checkSlice);
  }
}

/**
 * That a slice holds what its name says: whole entries in rising order, the last one at `to`.
 * @returns how many entries.
 * @throws Tampered - it does not: the writer was not ours, or had a fault.
 */
export function checkSlice(slice: Pick<StoredSlice, 'key' | 'from' | 'to'>, plain: Buffer): number {
  const tampered = (what: string): HoldfastError => new HoldfastError('Tampered', `slice ${slice.key} ${what}`, { details: { key: slice.key } });
  let { seconds, ordinal } = parseLogPosition(slice.from);
  let entries = 0;
  for (const raw of splitDocuments(plain)) {
    const at = findTimestamp(raw);
    const nextOrdinal = raw.readUInt32LE(at);
    const nextSeconds = raw.readUInt32LE(at + 4);
    if (nextSeconds < seconds || (nextSeconds === seconds && nextOrdinal <= ordinal)) {
      throw tampered(`holds ${logPosition(nextSeconds, nextOrdinal)} behind ${logPosition(seconds, ordinal)}`);
    }
    seconds = nextSeconds;
    ordinal = nextOrdinal;
    entries += 1;
  }
  if (logPosition(seconds, ordinal) !== slice.to) throw tampered(`ends at ${logPosition(seconds, ordinal)}, not where its name says`);
  return entries;
}
