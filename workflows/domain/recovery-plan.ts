import { copyName } from './beside.ts';
import { describePartial } from './chosen-namespaces.ts';
import { describeDiscarded, type DiscardedWrites } from './discarded-writes.ts';
import { describeProposal, type DeployProposal } from './deployment.ts';
import type { ErrorType } from './errors.ts';
import { formatLogPosition } from './log-position.ts';
import type { StepPlan } from './plan-critical-path.ts';
import { bytesToRestore, copiesIn, type RecoveryPoint } from './recovery-point.ts';
import { formatBytes, formatDuration } from './units.ts';

/** Something that would fail (or only warns) if the recovery were started now. */
export interface Finding {
  effect: 'fails' | 'warns';
  type: ErrorType;
  message: string;
  hint: string | null;
  /** people who would be missing; how the source's server is set up; left out: neither */
  about?: 'people' | 'server' | undefined;
}

/** What a recovery would do now. */
export interface RecoveryPlan {
  system: string;
  plannedAt: string;
  rtoObjectiveMs: number;
  rpoObjectiveMs: number;
  runbook: StepPlan;
  /** objective minus the critical path; negative: the budgets alone break it */
  spareMs: number;
  /** which runbook it is of; left out: the main one */
  name?: string | undefined;
  /** from the click to service, by earlier runs; null: nothing is known of any, or the store did not answer */
  forecastMs?: number | null;
  forecastBasis?: string | null;
  /** namespaces of a partial restore, as typed; left out: everything */
  only?: string[];
  /** per source: what would be restored */
  points: RecoveryPoint[];
  /** per source: what a recovery to the moment that was asked for leaves out; left out: the latest was asked for, or it is not known */
  discarded?: Record<string, DiscardedWrites> | undefined;
  /** which version of the application would be deployed; left out: the runbook deploys none, or there is no recovery point */
  deploy?: DeployProposal | undefined;
  findings: Finding[];
}

/** What a dry run answers: the plan, with all that was found, and what was looked at beyond it. */
export interface DryRunReport {
  format: 1;
  dryRun: true;
  /** nothing was found that would fail */
  ok: boolean;
  plan: RecoveryPlan;
  /** a sentence each */
  checked: string[];
  /** whose approval would be waited for; no people: whoever the permission table lets */
  asks: { gate: string; quorum: number; people: string[] }[];
}

/** The plan in lines: its verdict first, then steps and points. Findings are lines of their own. */
export function describePlan(of: RecoveryPlan): { heading: string; lines: string[]; findings: string[] } {
  const idWidth = Math.max(...of.runbook.steps.map(({ id }) => id.length));
  const { criticalMs, servedBy, criticalPath, waves } = of.runbook;
  const verdict = of.spareMs >= 0 ? `${formatDuration(of.spareMs)} inside` : `${formatDuration(-of.spareMs)} past`;
  const copied = of.points.flatMap(copiesIn);
  const fails = of.findings.some(({ effect }) => effect === 'fails');
  return {
    heading: `plan ${of.system}${of.name ? `   runbook ${of.name}` : ''}${of.only ? `   ${describePartial(of.only)}` : ''}   objective ${formatDuration(of.rtoObjectiveMs)}   critical path ${formatDuration(criticalMs)}, ${verdict} the objective`,
    lines: [
      ...of.runbook.steps.map((step) => {
        const needs = step.needs.length > 0 ? `after ${step.needs.join(', ')}` : 'at once';
        return `  ${step.critical ? 'critical' : '        '} ${step.id.padEnd(idWidth)}  from ${formatDuration(step.startMs).padEnd(6)} ${step.budgetMs === null ? 'no budget' : `budget ${formatDuration(step.budgetMs)}`}  ${needs}${step.when ? `  only when ${step.when}` : ''}${step.undo ? `  ${step.undo}` : ''}`;
      }),
      ...waves.filter((wave) => wave.length > 1).map((wave) => `side by side  ${wave.join(', ')}`),
      ...(copied.length > 0 ? [`no traffic is moved; copied into the living source as ${copied.slice(0, 10).map((ns) => copyName(ns, '<run>')).join(', ')}${copied.length > 10 ? ` and ${copied.length - 10} more` : ''}`] : of.only ? [`no traffic is moved: the steps after the validation are passed over, and the target waits until the data was taken out`] : [`service is back after  ${servedBy}, by way of ${criticalPath.join(' → ')}`]),
      ...(of.forecastMs != null ? [`forecast ${formatDuration(of.forecastMs)}, ${formatDuration(Math.abs(of.rtoObjectiveMs - of.forecastMs))} ${of.forecastMs <= of.rtoObjectiveMs ? 'inside' : 'past'} the objective: ${of.forecastBasis}`] : []),
      ...of.points.map(
        (point) =>
          `${point.source}: would be recovered to before ${formatLogPosition(point.limit)} (the log reaches ${formatLogPosition(point.reaches)}, ${formatDuration(Math.max(0, Date.parse(of.plannedAt) - Date.parse(point.reachesAt)))} ago): ${point.only ? `${point.only.collections} collections of ` : ''}base ${point.base.backup} (${formatBytes(bytesToRestore(point))}) and ${point.log.slices} slices (${formatBytes(point.log.storedBytes)}), timeline ${point.timeline}`,
      ),
      ...Object.entries(of.discarded ?? {}).map(([source, counted]) => describeDiscarded(source, counted)),
      ...(of.deploy ? [describeProposal(of.deploy)] : []),
    ],
    findings: [
      ...of.findings.map(({ effect, message, hint }) => `${effect === 'fails' ? 'would fail' : 'warning'}  ${message}${hint ? ` HINT: ${hint}` : ''}`),
      ...(fails ? [] : ['nothing found that would fail']),
    ],
  };
}
