import { patched } from '@temporalio/workflow';
import { minutes, seconds } from '../domain/units.ts';
import { forEachSource } from './side-by-side.ts';
import type { StepContext } from './step.ts';

const firstEveryMs = seconds(5);
const longestEveryMs = minutes(1);

/** Nothing is fenced yet, so the old primary may still be well, or come back. The standby that is left for home is well as a rule: that is no news. */
const isBeforeFence = ({ purpose, results, view }: StepContext): boolean => purpose === 'recovery' && !view.homeward && Object.keys(results.fences).length === 0;

/**
 * What a person must know before they approve: whether the old primary answers, though the run began because it did not.
 * @returns a sentence a source that answers; empty: none does, or nothing is known. A look that fails never stops a run.
 */
export async function lookAtOldPrimary(ctx: StepContext): Promise<string[]> {
  if (!isBeforeFence(ctx) || !patched('look-before-approval')) return [];
  try {
    return (await look(ctx)).filter((said) => said !== '');
  } catch {
    return [];
  }
}

/**
 * The same again and again while the gate of this step is open: it may come back while people think. Warns, and never throws.
 * @param known - what people were told already: said again each minute, it would push all else out of the journal.
 */
export async function lookWhileWaiting(ctx: StepContext, known: readonly string[]): Promise<void> {
  if (!isBeforeFence(ctx) || !patched('look-before-approval')) return;
  let told = known;
  try {
    for (let everyMs = firstEveryMs; ; everyMs = Math.min(everyMs * 2, longestEveryMs)) {
      if (!(await ctx.stillWaitsAfter(everyMs, 'looks at the old primary again while people are waited for'))) return;
      const said = await lookAtOldPrimary(ctx);
      if (!ctx.waits()) return;
      said.filter((what) => !told.includes(what)).forEach((what) => ctx.warn(what));
      told = said;
      // Nothing else may happen for hours, and details that are hours old show a clock that stands still.
      ctx.moved();
    }
  } catch {
    // The run was aborted: nobody is waited for any more.
    return;
  }
}

async function look(ctx: StepContext): Promise<string[]> {
  return await forEachSource(ctx, async (source) => {
    const { environment } = ctx.view.sources[source]!;
    const probe = await ctx.call('probeOldPrimary', { system: ctx.view.system, source, environment, timeline: null }, `look whether the old primary of ${source} answers`);
    if (probe.takesWrites === null) return '';
    const tail = ctx.target.targetTime ?? ctx.target.targetPosition ? 'what it took after the moment that was asked for is left out' : 'its log is then read to its end';
    return `the old primary of ${source} ANSWERS: ${probe.seen}. If it is well, abort; to approve fences it first, and ${tail}`;
  });
}
