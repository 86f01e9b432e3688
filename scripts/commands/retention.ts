import { makeRetentionPlan } from '../../activities/retention/make-plan.ts';
import type { RetentionResult } from '../../workflows/apply-retention.ts';
import { applyRetentionInput, parseInput } from '../../workflows/domain/inputs.ts';
import { describeExpired, describeRetention, summariseRetention } from '../../workflows/domain/retention/describe-retention.ts';
import { openSources } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal, workflowLink } from '../client.ts';
import { currentUser } from '../current-user.ts';
import type { Printer } from '../output/printer.ts';

interface RetentionOptions {
  source?: string;
  apply?: boolean;
  limit?: string;
  by: string;
}

/**
 * `holdfast retention`: what stays, what goes, and why, from the bucket alone, as the workflow `applyRetention` says it; with `--apply` it starts that workflow, which
 * waits and asks before anything goes.
 */
export function retention(cli: Cli): void {
  cli.add<[string], RetentionOptions>(
    'retention <system>',
    'say of every base and every stretch of log whether it stays or goes, and why; touches nothing and needs no Temporal. --apply lets go what goes (workflow applyRetention), after the wait and the approval of the system file',
    (command) =>
      command
        .option('--source <source>', 'left out: every source')
        .option('--apply', 'let go what goes')
        .option('--limit <count>', 'so many of each list, the newest; 50 when left out')
        .option('--by <name>', 'who asks', currentUser()),
    async (printer, options, system) => {
      const { source, apply, limit, by } = options;
      const input = parseInput('applyRetention', applyRetentionInput, { system, source, apply, limit: limit === undefined ? undefined : Number(limit), requestedBy: by });
      if (apply) return await start(printer, input);
      const contexts = await openSources(system, source);
      const plans = await Promise.all(contexts.map(async (context) => await makeRetentionPlan(context)));
      const summaries = plans.map(({ plan, log }) => summariseRetention(plan, log, input.limit));
      printer.result({ plans: summaries }, () => summaries.flatMap(describeRetention).join('\n'));
    },
  );
}

async function start(printer: Printer, input: { system: string }): Promise<void> {
  await withTemporal(async (temporal) => {
    const id = entryId('retention', input.system);
    const handle = await startEntry(temporal, 'applyRetention', id, input, `retention of ${input.system}`);
    printer.note(`started ${id}: it waits before anything goes; holdfast reject ${input.system} --workflow ${id}`);
    const link = workflowLink(temporal, id);
    if (link !== null) printer.note(link);
    if (!(await hasWorker(temporal))) printer.note('no worker asks for work: it waits until `holdfast worker` runs');
    const result = (await handle.result()) as RetentionResult;
    printer.result(result, ({ outcome, by, expired, plans }) => [`${input.system}: ${outcome}${by === null ? '' : ` by ${by}`}`, ...expired.flatMap(describeExpired), ...plans.flatMap(describeRetention)].join('\n'));
  });
}
