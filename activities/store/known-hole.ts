import type { LogPosition } from '../../workflows/domain/log-position.ts';
import type { Catalog } from '../../workflows/domain/recovery-point.ts';

/** Whether a hole in the log was told of: as a gap, or by retention. Any other is damage. */
export const isKnownHole = ({ gaps, expired }: Pick<Catalog, 'gaps' | 'expired'>, timeline: string, hole: { from: LogPosition; to: LogPosition }): boolean =>
  gaps.some((gap) => gap.timeline === timeline && gap.from <= hole.from && gap.to > hole.from) || (expired?.some((one) => one.timeline === timeline && hole.to <= one.before) ?? false);
