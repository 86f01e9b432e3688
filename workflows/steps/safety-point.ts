import { HoldfastError } from '../domain/errors.ts';
import { directionOf } from '../domain/homeward.ts';
import { formatLogPosition } from '../domain/log-position.ts';
import { formatBytes } from '../domain/units.ts';
import { leaveProduction } from './leave-production.ts';
import { epochOf } from './point-of.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, type SafetyPoint, type StepContext } from './step.ts';

/** Where all that was there can be had again, for whoever approves, and for whoever is sorry. */
export const describeSafety = (system: string, source: string, { timeline, backup, to }: SafetyPoint): string =>
  `${source}: all that it held up to ${formatLogPosition(to)} is safe: base ${backup} and the log of timeline ${timeline}, read back whole. To restore that again: holdfast recover ${system} --timeline ${timeline}`;

/**
 * @throws SourceUnavailable - the fenced server's log could not be archived to its end. ValidationFailed - what the store holds does not reach there whole.
 */
async function makeSafe(ctx: StepContext, source: string): Promise<string> {
  const { system } = ctx.view;
  const fenced = ctx.results.fences[source];
  if (!fenced) throw new HoldfastError('BadInput', `Step "${ctx.stepId}" has no fenced server of ${source}: while it is written to, its log has no end.`, { hint: 'let it need a step that uses fence, and do not skip that' });
  const { timeline } = await ctx.call('readArchiveStatus', { system, source, ...directionOf(ctx.view) }, `which log of ${source} is archived`);
  if (timeline === null) throw new HoldfastError('LogGap', `no log of ${source} is archived, so nothing but its bases could be restored again`, { hint: `holdfast archive start ${system}` });
  const drained = await ctx.call('drainLog', { system, source, epoch: epochOf(ctx), timeline }, `archive what the fenced server of ${source} still holds`);
  if (!drained.drained || drained.to === null) throw new HoldfastError('SourceUnavailable', `${source} has no safety point: ${drained.note}`, { hint: 'see that the fenced server answers, then retry; or abort: nothing was replaced' });
  const verified = await ctx.call('verifyRecoveryPoint', { system, source }, `read back all that a return of ${source} would need`);
  const reaches = verified.timeline === timeline && verified.restorable ? verified.restorable.to : null;
  if (!verified.ok || verified.backup === null || reaches === null || reaches < drained.to) {
    const why = verified.problems.slice(0, 3).map(({ key, problem }) => `${key}: ${problem}`).join('; ') || `it reaches ${reaches ? formatLogPosition(reaches) : 'nothing'} on timeline ${verified.timeline ?? 'none'}`;
    throw new HoldfastError('ValidationFailed', `${source} has no safety point: what the store holds does not reach ${formatLogPosition(drained.to)} of timeline ${timeline} whole: ${why}`, { hint: 'abort: nothing was replaced; take a base, and start again' });
  }
  const safe: SafetyPoint = { timeline, backup: verified.backup, to: drained.to };
  ctx.results.safety = { ...ctx.results.safety, [source]: safe };
  return `${describeSafety(system, source, safe)} (${verified.parts} parts and ${verified.slices} slices, ${formatBytes(verified.bytes)})`;
}

/**
 * In place, once the writers are quiesced: all that they wrote is archived to its end, and every byte that restoring it would need is read back and
 * authenticated. Changes nothing but the archive, so there is nothing to undo.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | while the log is archived | its slices, which touch | goes on behind them |
 * | while it is read back | nothing | reads again |
 */
export const safetyPoint = defineStep('safety-point', {
  about: 'in place: archives all that the fenced server holds, and reads back whole what restoring it would need',
  production: true,
  async run(ctx) {
    const left = leaveProduction(ctx);
    if (left) return left;
    return { summary: (await forEachSource(ctx, (source) => makeSafe(ctx, source))).join('; ') };
  },
  // It is all that an undo could be left with.
  skip: 'refused',
});
