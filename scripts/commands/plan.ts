import { planRecovery } from '../../activities/plan/plan-recovery.ts';
import { errorTable } from '../../workflows/domain/errors.ts';
import { parseInput, planRecoveryInput } from '../../workflows/domain/inputs.ts';
import { describePlan } from '../../workflows/domain/recovery-plan.ts';
import { withoutTemporal } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';

/**
 * `holdfast plan`: what a recovery would do now, and what would fail, before anything is touched. It plans here, as the activity of
 * `planRecovery` does on a worker, so that a plan can be had before there is any Temporal to recover with.
 */
export function plan(cli: Cli): void {
  cli.add<[string], { targetTime?: string; targetPosition?: string; point?: string; timeline?: string; orBefore?: boolean; only?: string[]; runbook?: string; mode?: string; deploy?: string }>(
    'plan <system>',
    'show what a recovery would do now and what would fail; touches nothing, needs no Temporal (workflow planRecovery)',
    (command) => command.option('--target-time <time>', 'as for recover').option('--target-position <position>', 'as for recover').option('--point <id>', 'as for recover').option('--timeline <id>', 'as for recover').option('--or-before', 'as for recover').option('--only <namespace...>', 'as for recover').option('--runbook <name>', 'as for recover').option('--mode <mode>', 'as for recover').option('--deploy <version>', 'as for recover'),
    async (printer, { targetTime, targetPosition, point, timeline, orBefore, only, runbook, mode, deploy }, system) => {
      const made = await planRecovery(parseInput('planRecovery', planRecoveryInput, { system, targetTime, targetPosition, point, timeline, orBefore, only, runbook, mode, version: deploy }), withoutTemporal());
      printer.result(made, () => {
        const { heading, lines, findings } = describePlan(made);
        return [heading, ...lines, ...findings].join('\n');
      });
      const failing = made.findings.find(({ effect }) => effect === 'fails');
      return failing ? errorTable[failing.type].exitCode : 0;
    },
  );
}
