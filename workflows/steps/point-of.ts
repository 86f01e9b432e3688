import { HoldfastError } from '../domain/errors.ts';
import type { LogPosition } from '../domain/log-position.ts';
import type { RecoveryPoint } from '../domain/recovery-point.ts';
import type { StepContext } from './step.ts';

/** The recovery point that an earlier step chose. @throws BadInput - the runbook puts this step before find-recovery-point, or that was skipped. */
export function pointOf(ctx: StepContext, source: string): RecoveryPoint {
  const point = ctx.results.points[source];
  if (!point) {
    throw new HoldfastError('BadInput', `Step "${ctx.stepId}" has no recovery point of source "${source}" to work from.`, {
      hint: 'let it need a step that uses find-recovery-point, and do not skip that',
    });
  }
  return point;
}

/** What the target holds: everything before this. The recovery point's own limit until the drain moved it. */
export const limitOf = (ctx: StepContext, source: string): LogPosition => ctx.results.limits[source] ?? pointOf(ctx, source).limit;

export function epochOf(ctx: StepContext): number {
  if (ctx.results.epoch === null) {
    throw new HoldfastError('BadInput', `Step "${ctx.stepId}" has no epoch to command under.`, { hint: 'let it need a step that uses declare' });
  }
  return ctx.results.epoch;
}
