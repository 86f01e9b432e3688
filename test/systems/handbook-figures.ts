import { loadSystemFile } from '../../activities/system-files.ts';
import { applyRetentionInput, backUpSystemInput, recoverSystemInput, reportSystemInput, sealAuditInput, verifySystemInput } from '../../workflows/domain/inputs.ts';
import { expandRunbook } from '../../workflows/domain/expand-runbook.ts';
import { planCriticalPath, type StepPlan } from '../../workflows/domain/plan-critical-path.ts';
import { describeTimes } from '../../workflows/domain/schedules/describe-times.ts';
import { desiredSchedules } from '../../workflows/domain/schedules/desired.ts';
import type { System } from '../../workflows/domain/system.ts';
import { hours } from '../../workflows/domain/units.ts';

/** What a shipped system file makes of its handbook: the tests beside this write the handbook's figures down once more, and compare. */
export const days = (count: number): number => hours(24 * count);
export const load = async (name: string): Promise<System> => (await loadSystemFile(name)).system;

export const planOf = (system: System, runbook?: string): StepPlan => planCriticalPath(expandRunbook(system, runbook).map(({ id, uses, needs, budget }) => ({ id, uses, needs, budgetMs: budget ?? null })));
export const endOf = ({ steps }: StepPlan, ids: readonly string[]): number => Math.max(...steps.filter(({ id }) => ids.includes(id)).map(({ endMs }) => endMs));
/** Ids of steps whose title begins with this number. */
export const numbered = (system: System, number: number, runbook?: string): string[] => expandRunbook(system, runbook).filter(({ title }) => title?.startsWith(`${number}. `)).map(({ id }) => id);

const schemas: Record<string, { parse(input: unknown): unknown }> = { backUpSystem: backUpSystemInput, verifySystem: verifySystemInput, recoverSystem: recoverSystemInput, applyRetention: applyRetentionInput, sealAudit: sealAuditInput, reportSystem: reportSystemInput };

export function timesOf(system: System): Record<string, string> {
  for (const { workflow, input } of desiredSchedules(system)) schemas[workflow]!.parse(input);
  return Object.fromEntries(desiredSchedules(system).map(({ id, times, workflow }) => [id.split('/')[1]!, `${describeTimes(times)}: ${workflow}`]));
}

/** A drill that waited for people at night would hold the lock that a recovery needs. */
export function drillsAsk(system: System): string[] {
  const drilled = Object.values(system.schedules ?? {}).filter(({ does }) => does === 'drill').map(({ with: settings }) => settings['runbook'] as string | undefined);
  return drilled.flatMap((runbook) => expandRunbook(system, runbook).filter(({ uses, id, with: settings }) => uses === 'approval' && !system.approvals[String(settings?.['gate'] ?? id)]?.preApproved).map(({ id }) => id));
}
