import { refuseMovedSource } from '../../activities/store/refuse-moved-source.ts';
import { currentTimeline } from '../../activities/store/timelines.ts';
import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { errorTable, HoldfastError, type ErrorType } from '../../workflows/domain/errors.ts';
import { findRecoveryPoint } from '../../workflows/domain/find-recovery-point.ts';
import type { RecoveryPoint, RecoveryTarget } from '../../workflows/domain/recovery-point.ts';
import type { System } from '../../workflows/domain/system.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import { readArchiveStatus } from '../bucket/read-archive-status.ts';
import { openSources } from '../bucket/open-sources.ts';
import { describeError } from '../output/printer.ts';
import { checkReach, checkTools } from './check-access.ts';
import { planCriticalPath, type StepPlan } from './plan-critical-path.ts';

/** Something that would fail (or only warns) if the recovery were started now. */
export interface Finding {
  effect: 'fails' | 'warns';
  type: ErrorType;
  message: string;
  hint: string | null;
}

/** The answer of `holdfast plan`, and its JSON. */
export interface RecoveryPlan {
  system: string;
  rtoObjectiveMs: number;
  rpoObjectiveMs: number;
  runbook: StepPlan;
  /** objective minus the critical path; negative: the budgets alone break it */
  spareMs: number;
  /** per source: what would be restored */
  points: RecoveryPoint[];
  findings: Finding[];
}

/** Plans a recovery without touching anything. What is wrong becomes findings; only a bad system file or a bad target throws. */
export async function makePlan(systemName: string, target: RecoveryTarget): Promise<RecoveryPlan> {
  const { system } = await loadSystemFile(systemName);
  const runbook = planCriticalPath(system.runbook.steps.map(({ id, uses, needs, budget }) => ({ id, uses, needs, budgetMs: budget ?? null })));
  const spareMs = system.objectives.rto - runbook.criticalMs;
  const findings: Finding[] = [...checkTools(system)];
  if (spareMs < 0) findings.push(finding('warns', 'BadSystemFile', `the budgets of the critical path add up to ${formatDuration(runbook.criticalMs)}, past the RTO objective of ${formatDuration(system.objectives.rto)}`));
  for (const { name } of system.stores.slice(1)) findings.push(finding('warns', 'Unsupported', `stores.${name}: not written yet, only the first store is used`));
  const points = await readPoints(system, target, findings);
  return { system: systemName, rtoObjectiveMs: system.objectives.rto, rpoObjectiveMs: system.objectives.rpo, runbook, spareMs, points, findings };
}

async function readPoints(system: System, target: RecoveryTarget, findings: Finding[]): Promise<RecoveryPoint[]> {
  const points: RecoveryPoint[] = [];
  const sources = await openSources(system.system).catch(note(findings));
  for (const context of sources ?? []) {
    const of = { system: system.system, source: context.sourceName };
    findings.push(...(await checkReach(context)));
    await currentTimeline(context.store, context.keys, of).then((current) => refuseMovedSource(system, of.source, current)).catch(note(findings));
    const catalog = await rebuildCatalog(context, of).catch(note(findings));
    if (!catalog) continue;
    try {
      points.push(findRecoveryPoint(catalog, target, { now: new Date().toISOString() }));
    } catch (error) {
      if (error instanceof HoldfastError && errorTable[error.type].exitCode === errorTable.BadInput.exitCode) throw error;
      note(findings)(error);
    }
    const status = await readArchiveStatus(context).catch(note(findings));
    if (!status) continue;
    if (status.archivedTo === null) findings.push(finding('warns', 'LogGap', `${of.system}/${of.source}: no log is archived: only the base can be restored`, `holdfast archive start ${of.system}`));
    else if (status.rpoMs !== null && status.rpoMs > system.objectives.rpo) {
      findings.push(finding('warns', 'LogGap', `${of.system}/${of.source}: the archive is silent: ${formatDuration(status.rpoMs)} of writes would be lost, past the objective of ${formatDuration(system.objectives.rpo)}`, `holdfast archive status ${of.system}`));
    } else if (status.rpoMs === null) {
      findings.push(finding('warns', 'SourceUnavailable', `${of.system}/${of.source}: the source does not answer: what is not archived cannot be drained; the archive ends at ${status.archivedToAt}`));
    }
  }
  return points;
}

export const finding = (effect: Finding['effect'], type: ErrorType, message: string, hint: string | null = null): Finding => ({ effect, type, message, hint });

/** Turns what was thrown into a finding, so that a plan names everything that is wrong and not only the first. */
function note(findings: Finding[]): (error: unknown) => undefined {
  return (error) => {
    const { message, hint } = describeError(error);
    findings.push(finding('fails', error instanceof HoldfastError ? error.type : 'RunFailed', message, hint));
    return undefined;
  };
}
