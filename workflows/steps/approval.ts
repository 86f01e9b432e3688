import { describePartial } from '../domain/chosen-namespaces.ts';
import { describeComparison, describeNotCompared } from '../domain/comparison.ts';
import { describeRows } from '../domain/rows.ts';
import { stepsBefore } from '../domain/steps-before.ts';
import type { SystemView } from '../domain/system-view.ts';
import type { GateRequest } from '../runbook/run-types.ts';
import { countDiscarded, discards } from './count-discarded.ts';
import { gateRequest } from './gate-request.ts';
import { lookAtOldPrimary, lookWhileWaiting } from './look-at-old-primary.ts';
import { deploys, describeDeploys } from './propose.ts';
import { describeSafety } from './safety-point.ts';
import { defineStep, type StepContext } from './step.ts';
import { describeSwap } from './swap.ts';

/** Waits for people. The gate is one of the system's `approvals`, by default the one with the step's own name. */
export const approval = defineStep('approval', {
  about: 'waits for people to approve a gate of the system’s approvals',
  async run(ctx, settings) {
    // Whoever approves a switch must not approve one that does not come.
    if (ctx.only && !ctx.view.copies) return { summary: `${describePartial(ctx.only)}; nothing of production is touched`, passedOver: true };
    const opens = gateOf(ctx.view, ctx.stepId, settings);
    const safe = Object.entries(ctx.results.safety ?? {}).map(([source, point]) => `${describeSafety(ctx.view.system, source, point)}.`);
    const discarded = [...safe, ...(discards(ctx) ? await countDiscarded(ctx) : []), ...(ctx.view.copies === 'swap' && ctx.results.copies ? await describeSwap(ctx) : []), ...shownBefore(ctx)];
    const deployed = deploys(ctx) ? await describeDeploys(ctx) : [];
    // Nobody is fenced, and what serves goes on.
    const said = ctx.view.copies ? [] : await lookAtOldPrimary(ctx);
    [...discarded, ...said].forEach((what) => ctx.warn(what));
    // Beside the wait, which is the engine's: it ends with the gate.
    if (!ctx.view.copies) void lookWhileWaiting(ctx, said);
    return { summary: 'approved', opens: { ...opens, description: [opens.description, ...discarded, ...notCompared(ctx), ...deployed, ...said].join(' ') } };
  },
  gate: gateOf,
  // A skip would be an approval by whoever has a keyboard.
  skip: 'refused',
});

/** What steps before the gate have found, for people to judge. */
const shownBefore = ({ results }: StepContext): string[] => [
  ...Object.entries(results.comparisons ?? {}).map(([source, comparison]) => describeComparison(source, comparison)),
  ...Object.entries(results.rows ?? {}).map(([source, rows]) => describeRows(source, rows, rows.changed)),
];

/** The step itself has warned, so this warns of nothing. */
function notCompared(ctx: StepContext): string[] {
  const { steps } = ctx.report().state;
  const before = stepsBefore(steps, steps.find(({ id }) => id === ctx.stepId)!);
  return before.filter(({ uses, state }) => uses === 'compare' && state === 'skipped').map(describeNotCompared);
}

function gateOf(view: SystemView, stepId: string, settings: { gate?: string | undefined }): GateRequest {
  return gateRequest(view, settings.gate ?? stepId);
}
