import type { FenceResult } from '../contract.ts';
import type { SystemView } from '../domain/system-view.ts';
import type { GateRequest } from '../runbook/run-types.ts';
import { directionOf } from '../domain/homeward.ts';
import { HoldfastError } from '../domain/errors.ts';
import { gateRequest } from './gate-request.ts';
import { leaveProduction } from './leave-production.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf, type StepContext } from './step.ts';
import { admit } from './switch.ts';

const gateName = 'accept-unproved-fence';

/** Two primaries that both take writes cannot be merged: to go on without proof takes a second person. */
function acceptUnproved(view: SystemView, description: string): GateRequest {
  return { ...gateRequest(view, gateName), description, otherPeople: true };
}

/** In place it is the very server that people were served by: it may have been stopped, and moved aside and back. */
async function serveAgain(ctx: StepContext): Promise<string[]> {
  const started = await forEachSource(ctx, (source) => ctx.call('startAgain', targetOf(ctx, source), `start the server of ${source} again`));
  await admit(ctx, ctx.view.standbyEnvironment, 100);
  return [...started.map(({ summary }) => summary), `traffic goes to ${ctx.view.standbyEnvironment} again`];
}

const said = (source: string, fence: FenceResult): string => `${source} ${fence.outcome}: ${fence.evidence.join('; ')}`;

export const fence = defineStep('fence', {
  about: 'takes the old primary’s power to write; unproved needs a second person',
  production: true,
  async run(ctx) {
    const left = leaveProduction(ctx);
    if (left) return left;
    // Before it refuses them: people get an answer that says so, and not errors of a database.
    if (ctx.view.inPlace) await admit(ctx, ctx.view.standbyEnvironment, 0);
    const fenced = await forEachSource(ctx, async (source) => {
      const result = await ctx.call('fencePrimary', { system: ctx.view.system, source, ...directionOf(ctx.view), run: ctx.run, epoch: ctx.results.epoch ?? 0 }, `fence the old primary of ${source}`);
      ctx.results.fences[source] = result;
      return { source, result };
    });
    const summary = fenced.map(({ source, result }) => said(source, result)).join(' · ');
    const unproved = fenced.filter(({ result }) => result.outcome === 'unproved');
    if (unproved.length === 0) return { summary };
    // What may go on writing, here or on another member, would go on beside what is restored under the same name.
    if (ctx.view.inPlace) throw new HoldfastError('FenceFailed', `in place needs a proved fence: ${summary}`, { hint: 'stop what may still write, then retry; or abort, and recover to another place' });
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
    return { summary: [...freed.map(({ summary }) => summary), ...(ctx.view.inPlace ? await serveAgain(ctx) : [])].join('; ') };
  },
  skip: (view) => (view.inPlace ? 'refused' : acceptUnproved(view, 'The old primary would not be fenced at all, and may take writes that could not be merged.')),
});
