import { errorTable } from '../../workflows/domain/errors.ts';
import { formatLogPosition } from '../../workflows/domain/log-position.ts';
import { formatBytes, formatDuration } from '../../workflows/domain/units.ts';
import type { Cli } from '../cli.ts';
import { makePlan, type RecoveryPlan } from '../plan/make-plan.ts';

/** `holdfast plan`: what a recovery would do now, and what would fail, before anything is touched. */
export function plan(cli: Cli): void {
  cli.add<[string], { targetTime?: string; targetPosition?: string }>(
    'plan <system>',
    'show what a recovery would do now and what would fail; touches nothing',
    (command) => command.option('--target-time <time>', 'as for recover').option('--target-position <position>', 'as for recover'),
    async (printer, target, system) => {
      const made = await makePlan(system, target);
      printer.result(made, formatPlan);
      const failing = made.findings.find(({ effect }) => effect === 'fails');
      return failing ? errorTable[failing.type].exitCode : 0;
    },
  );
}

export function formatPlan(of: RecoveryPlan): string {
  const idWidth = Math.max(...of.runbook.steps.map(({ id }) => id.length));
  const { criticalMs, servedBy, criticalPath, waves } = of.runbook;
  const verdict = of.spareMs >= 0 ? `${formatDuration(of.spareMs)} inside` : `${formatDuration(-of.spareMs)} past`;
  return [
    `plan ${of.system}   objective ${formatDuration(of.rtoObjectiveMs)}   critical path ${formatDuration(criticalMs)}, ${verdict} the objective`,
    ...of.runbook.steps.map((step) => {
      const needs = step.needs.length > 0 ? `after ${step.needs.join(', ')}` : 'at once';
      return `  ${step.critical ? 'critical' : '        '} ${step.id.padEnd(idWidth)}  from ${formatDuration(step.startMs).padEnd(6)} ${step.budgetMs === null ? 'no budget' : `budget ${formatDuration(step.budgetMs)}`}  ${needs}`;
    }),
    ...waves.filter((wave) => wave.length > 1).map((wave) => `side by side  ${wave.join(', ')}`),
    `service is back after  ${servedBy}, by way of ${criticalPath.join(' → ')}`,
    ...of.points.map(
      (point) =>
        `${point.source}: would be recovered to before ${formatLogPosition(point.limit)} (the log reaches ${formatLogPosition(point.reaches)}, ${formatDuration(Math.max(0, Date.now() - Date.parse(point.reachesAt)))} ago): base ${point.base.backup} (${formatBytes(point.base.plainBytes)}) and ${point.log.slices} slices (${formatBytes(point.log.storedBytes)}), timeline ${point.timeline}`,
    ),
    ...of.findings.map(({ effect, message, hint }) => `${effect === 'fails' ? 'would fail' : 'warning'}  ${message}${hint ? ` HINT: ${hint}` : ''}`),
    ...(of.findings.some(({ effect }) => effect === 'fails') ? [] : ['nothing found that would fail']),
  ].join('\n');
}
