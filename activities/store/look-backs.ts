import { logPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import { hours, minutes } from '../../workflows/domain/units.ts';

/** An archive that runs has its end near by, and one that has stopped had it when it was lost. */
const lookBacksMs = [minutes(2), hours(1), hours(24)];

/** From where on a listing by time is asked for what is newest, one after another; undefined: from its beginning. */
export function* lookBacks(): Generator<LogPosition | undefined> {
  for (const lookBackMs of lookBacksMs) yield logPosition(Math.max(0, Math.floor((Date.now() - lookBackMs) / 1000)), 0);
  yield undefined;
}
