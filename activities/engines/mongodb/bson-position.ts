import { Timestamp } from 'mongodb';
import { logPosition, parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';

/** The oplog's own Timestamp as a log position, and back. */
export const positionOf = (timestamp: Timestamp): LogPosition => logPosition(timestamp.t, timestamp.i);

export function timestampOf(position: LogPosition): Timestamp {
  const { seconds, ordinal } = parseLogPosition(position);
  return new Timestamp({ t: seconds, i: ordinal });
}

/** The greatest position before this one: makes a limit that includes an entry into the exclusive start that reads it. */
export function positionBefore(position: LogPosition): LogPosition {
  const { seconds, ordinal } = parseLogPosition(position);
  return ordinal > 0 ? logPosition(seconds, ordinal - 1) : logPosition(seconds - 1, 0xffff_ffff);
}
