import { copyName } from '../domain/beside.ts';
import { describePartial } from '../domain/chosen-namespaces.ts';
import { directionOf } from '../domain/homeward.ts';
import { formatLogPosition } from '../domain/log-position.ts';
import { describeCheck } from '../domain/point-check.ts';
import { copiesIn } from '../domain/recovery-point.ts';
import { formatDuration } from '../domain/units.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, type StepContext } from './step.ts';

/** A new choice: what was made of an earlier one is of no account any more, and its bases are passed over where an older one is asked for. */
function giveUp({ results, sources }: StepContext, older: number): void {
  if (older > results.givenUp.older) {
    for (const [source, point] of Object.entries(results.points)) results.givenUp.bases[source] = [...(results.givenUp.bases[source] ?? []), point.base.backup];
    results.givenUp.older = older;
  }
  results.proposal = null;
  for (const shown of [results.comparisons, results.rows]) for (const source of sources) if (shown) delete shown[source];
  for (const source of sources) {
    for (const kept of [results.points, results.limits, results.unvalidated, results.replays]) delete kept[source];
    for (const validated of Object.keys(results.validations)) if (validated.startsWith(`${source}/`)) delete results.validations[validated];
  }
}

/** Chooses base and log for every source from the bucket alone, checks them, and holds them against expiry. */
export const findRecoveryPoint = defineStep('find-recovery-point', {
  about: 'chooses the recovery point of every source, and holds it against expiry',
  async run(ctx) {
    const { older = 0, ...target } = ctx.target;
    giveUp(ctx, older);
    const found = await forEachSource(ctx, async (source) => {
      const avoid = ctx.results.givenUp.bases[source] ?? [];
      const point = await ctx.call(
        'findRecoveryPoint',
        { system: ctx.view.system, source, target, run: ctx.run, purpose: ctx.purpose, ...directionOf(ctx.view), ...(ctx.only && ctx.view.copies !== 'rows' ? { only: ctx.only } : {}), ...(ctx.view.copies && ctx.view.copies !== 'rows' ? { copies: ctx.view.copies } : {}), ...(avoid.length > 0 ? { avoid } : {}) },
        `choose the recovery point of ${source}`,
      );
      ctx.results.points[source] = point;
      const copied = copiesIn(point).map((ns) => copyName(ns, ctx.run)).join(', ');
      const names = copied === '' ? '' : `, to be copied as ${copied}`;
      const part = point.only ? `${describePartial(point.only.patterns)}, ${point.only.collections} collections${names}; ` : '';
      const reach = point.base.program ? `holds what ${point.base.program} dumped until` : 'reaches';
      // What a lost end of the log looks like that nothing else tells of.
      const beforeMs = Math.max(0, Date.parse(ctx.report().incidentAt) - Date.parse(point.reachesAt));
      return `${part}${source} ${reach} ${formatLogPosition(point.reaches)}, ${formatDuration(beforeMs)} before the incident: base ${point.base.backup} and ${point.log.slices} slices${point.only ? '' : names}${point.checked ? `; ${describeCheck(point)}` : ''}`;
    });
    return { summary: found.join('; ') };
  },
  renews: true,
  async undo(ctx) {
    await ctx.call('releaseHold', { system: ctx.view.system, run: ctx.run }, 'let the recovery point go');
    return { summary: 'recovery points are no longer held' };
  },
});
