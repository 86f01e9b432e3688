import { describePartial } from '../domain/chosen-namespaces.ts';
import type { GateRequest } from '../runbook/run-types.ts';
import { gateRequest } from './gate-request.ts';
import { defineStep, type StepContext } from './step.ts';

/** Where a partial restore waits: its data is there to be taken out, and its target is removed afterwards. */
const takenOutGate = 'data-taken-out';

function takeOut(ctx: StepContext, only: readonly string[]): GateRequest {
  const places = ctx.report().state.steps.filter(({ uses }) => uses === 'provision').map(({ summary }) => summary ?? '');
  return {
    ...gateRequest(ctx.view, takenOutGate),
    description: `${describePartial(only)}. The data waits in ${ctx.view.standbyEnvironment}: ${places.join('; ')}. Take out what you need (mongodump, mongoexport, a query), then approve: the target is stopped and moved aside. A recovery of the system cannot begin before that, or before this run is aborted.`,
    notRequester: false,
  };
}

/**
 * Writes the report to the store, as evidence, and to disk. That of a drill is written once, by the run's end: before that nobody knows what became of its place, and a second report would leave
 * a second bundle of evidence beside the first.
 */
export const report = defineStep('report', {
  about: 'writes the report of the run, as a page, as Markdown and as JSON',
  async run(ctx) {
    if (ctx.purpose === 'drill') return { summary: 'written when what was restored is removed', passedOver: true };
    await ctx.journalKept();
    const { paths, evidence } = await ctx.call('writeReport', { report: ctx.report() }, 'write the report');
    const opens = ctx.only && ctx.purpose === 'recovery' && !ctx.view.copies ? takeOut(ctx, ctx.only) : undefined;
    return { summary: `${paths.html}; ${evidence.length} objects in the store`, ...(opens ? { opens } : {}) };
  },
});
