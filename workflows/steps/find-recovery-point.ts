import { z } from 'zod';
import { describePartial } from '../domain/chosen-namespaces.ts';
import { formatLogPosition } from '../domain/log-position.ts';
import { describeCheck } from '../domain/point-check.ts';
import { formatDuration } from '../domain/units.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep } from './step.ts';

/** Chooses base and log for every source from the bucket alone, checks them, and holds them against expiry. */
export const findRecoveryPoint = defineStep({
  about: 'chooses the recovery point of every source, and holds it against expiry',
  settings: z.strictObject({}),
  async run(ctx) {
    const found = await forEachSource(ctx, async (source) => {
      const point = await ctx.call(
        'findRecoveryPoint',
        { system: ctx.view.system, source, target: ctx.target, run: ctx.run, purpose: ctx.purpose, ...(ctx.only ? { only: ctx.only } : {}) },
        `choose the recovery point of ${source}`,
      );
      ctx.results.points[source] = point;
      const part = point.only ? `${describePartial(point.only.patterns)}, ${point.only.collections} collections; ` : '';
      const reach = point.base.program ? `holds what ${point.base.program} dumped until` : 'reaches';
      // What a lost end of the log looks like that nothing else tells of.
      const beforeMs = Math.max(0, Date.parse(ctx.report().incidentAt) - Date.parse(point.reachesAt));
      return `${part}${source} ${reach} ${formatLogPosition(point.reaches)}, ${formatDuration(beforeMs)} before the incident: base ${point.base.backup} and ${point.log.slices} slices${point.checked ? `; ${describeCheck(point)}` : ''}`;
    });
    return { summary: found.join('; ') };
  },
  async undo(ctx) {
    await ctx.call('releaseHold', { system: ctx.view.system, run: ctx.run }, 'let the recovery point go');
    return { summary: 'recovery points are no longer held' };
  },
});
