import type { FenceResult } from '../contract.ts';
import type { SystemView } from '../domain/system.ts';
import type { GateRequest } from '../runbook/run-types.ts';
import { directionOf } from '../domain/homeward.ts';
import { stepSettings } from '../domain/step-settings.ts';
import { gateRequest } from './gate-request.ts';
import { leaveProduction } from './leave-production.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep } from './step.ts';

const gateName = 'accept-unproved-fence';

/** Two primaries that both take writes cannot be merged: to go on without proof takes a second person. */
function acceptUnproved(view: SystemView, description: string): GateRequest {
  return { ...gateRequest(view, gateName), description, otherPeople: true };
}

const said = (source: string, fence: FenceResult): string => `${source} ${fence.outcome}: ${fence.evidence.join('; ')}`;

export const fence = defineStep({
  about: 'takes the old primary’s power to write; unproved needs a second person',
  settings: stepSettings.fence,
  perSource: true,
  production: true,
  async run(ctx) {
    const left = leaveProduction(ctx);
    if (left) return left;
    const fenced = await forEachSource(ctx, async (source) => {
      const result = await ctx.call('fencePrimary', { system: ctx.view.system, source, ...directionOf(ctx.view), run: ctx.run, epoch: ctx.results.epoch ?? 0 }, `fence the old primary of ${source}`);
      ctx.results.fences[source] = result;
      return { source, result };
    });
    const summary = fenced.map(({ source, result }) => said(source, result)).join(' · ');
    const unproved = fenced.filter(({ result }) => result.outcome === 'unproved');
    if (unproved.length === 0) return { summary };
    ctx.warn(`the fence proved nothing: ${unproved.map(({ source }) => source).join(', ')}`);
    const opens = acceptUnproved(
      ctx.view,
      `The old primary may still take writes, and those could not be merged. ${unproved.map(({ source, result }) => said(source, result)).join(' · ')}`,
    );
    return { summary, opens };
  },
  async undo(ctx) {
    if (ctx.results.admittedPercent > 0) {
      return { summary: 'the old primary stays fenced: traffic was let in to the new side' };
    }
    const freed = await forEachSource(ctx, (source) =>
      ctx.call('unfencePrimary', { system: ctx.view.system, source, ...directionOf(ctx.view), run: ctx.run, epoch: ctx.results.epoch ?? 0 }, `give the old primary of ${source} its power back`),
    );
    // A drain of a later runbook must not take it for fenced.
    for (const source of ctx.sources) delete ctx.results.fences[source];
    return { summary: freed.map(({ summary }) => summary).join('; ') };
  },
  skip: (view) => acceptUnproved(view, 'The old primary would not be fenced at all, and may take writes that could not be merged.'),
});
