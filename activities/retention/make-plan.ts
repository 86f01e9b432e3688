import { layout } from '../../workflows/domain/layout.ts';
import { formatVersion, type ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { ApprovedRetention } from '../../workflows/domain/retention/records.ts';
import { summariseRetention, type RetentionSummary } from '../../workflows/domain/retention/describe-retention.ts';
import { tallyLog } from '../../workflows/domain/retention/judge-log.ts';
import type { LogVerdict, RetentionPlan } from '../../workflows/domain/retention/plan.ts';
import { planRetention } from '../../workflows/domain/retention/plan-retention.ts';
import type { SourceContext } from '../context.ts';
import { putSigned } from '../store/signed-object.ts';
import { readSliceNames } from '../store/slice-names.ts';
import { readFacts } from './read-facts.ts';

/** What retention would do to one source now, with a verdict for every base and every slice that there is. Reads only; safe to repeat. */
export async function makeRetentionPlan(context: SourceContext): Promise<{ plan: RetentionPlan; log: LogVerdict[] }> {
  const rules = context.system.retention?.sources[context.sourceName];
  const facts = await readFacts(context, rules);
  const plan = planRetention(facts, rules);
  const log: LogVerdict[] = [];
  let done = 0;
  for (const { timeline } of facts.catalog.timelines) {
    const tally = tallyLog(plan, timeline);
    for await (const slice of readSliceNames(context.store, { ...facts.catalog, timeline }, { signal: context.signal })) {
      if (!('unreadable' in slice)) tally.add(slice);
      if ((done += 1) % 1_000 === 0) context.progress({ phase: 'judge slices', done, of: 0, unit: 'objects' });
    }
    log.push(...tally.end());
  }
  return { plan, log };
}

/**
 * Makes a plan, and where a run is going to carry it out, writes it down: what may go is what stands there, and the object stays as evidence. Twice: another
 * version of the same object; the run goes by the one that its answer names.
 * @param run - left out: nobody is going to, and nothing is written.
 */
export async function planForRun(context: SourceContext, { run, limit }: { run?: string | undefined; limit: number }): Promise<{ summary: RetentionSummary; plan: ObjectRef | null }> {
  const { plan, log } = await makeRetentionPlan(context);
  const summary = summariseRetention(plan, log, limit);
  if (run === undefined) return { summary, plan: null };
  const body: ApprovedRetention = { format: formatVersion, kind: 'retention-plan', run, ...plan };
  return { summary, plan: await putSigned(context.store, context.keys, layout.retentionPlan(plan.system, run, plan.source), body, { signal: context.signal }) };
}
