import { describeIssues } from '../domain/describe-issues.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { RunbookStep } from '../domain/runbook.ts';
import type { SystemView } from '../domain/system.ts';
import type { PlannedStep } from '../runbook/run-types.ts';
import { approval } from './approval.ts';
import { buildIndexes } from './build-indexes.ts';
import { declare } from './declare.ts';
import { drain } from './drain.ts';
import { elevate } from './elevate.ts';
import { fence } from './fence.ts';
import { findRecoveryPoint } from './find-recovery-point.ts';
import { promote } from './promote.ts';
import { protect } from './protect.ts';
import { provision } from './provision.ts';
import { replay } from './replay.ts';
import { report } from './report.ts';
import { restore } from './restore.ts';
import type { AnyStepType } from './step.ts';
import { switchStep } from './switch.ts';
import { validate } from './validate.ts';

/** What a runbook's `uses` may say, in the order of a recovery. */
export const stepTypes: Readonly<Record<string, AnyStepType>> = {
  declare,
  'find-recovery-point': findRecoveryPoint,
  provision,
  restore,
  replay,
  'build-indexes': buildIndexes,
  validate,
  approval,
  fence,
  drain,
  promote,
  switch: switchStep,
  protect,
  report,
  elevate,
};

/**
 * The runbook as the engine takes it. Everything wrong with it is found here, before anything is touched.
 * @throws BadSystemFile - names every step, field and what was expected; an unknown type with the known ones.
 */
export function planSteps(view: SystemView): PlannedStep[] {
  const problems = view.runbook.steps.flatMap((step, index) => findProblems(view, step, index));
  if (problems.length > 0) throw new HoldfastError('BadSystemFile', `The runbook of ${view.system} cannot run: ${problems.join('; ')}.`);
  return view.runbook.steps.map((step) => planStep(view, step));
}

function findProblems(view: SystemView, step: RunbookStep, index: number): string[] {
  const where = `runbook.steps[${index}] ("${step.id}")`;
  const type = stepTypes[step.uses];
  if (!type) return [`${where}: unknown step type "${step.uses}"; known: ${Object.keys(stepTypes).join(', ')}`];
  const parsed = type.settings.safeParse(step.with ?? {});
  if (!parsed.success) return [`${where}: ${describeIssues(parsed.error, step.with ?? {}, ['with'])}`];
  const gate = type.gate?.(view, step.id, step.with).gate;
  return gate !== undefined && type !== elevate && !view.approvals[gate]
    ? [`${where}: gate "${gate}" is not under approvals; known: ${Object.keys(view.approvals).join(', ') || 'none'}`]
    : [];
}

function planStep(view: SystemView, step: RunbookStep): PlannedStep {
  const type = stepTypes[step.uses]!;
  return {
    id: step.id,
    uses: step.uses,
    title: step.title ?? type.about,
    needs: step.needs,
    budgetMs: step.budget ?? null,
    retry: { attempts: step.retry.attempts, everyMs: step.retry.every },
    undo: type.undo !== undefined,
    gate: type.gate?.(view, step.id, step.with) ?? null,
    skip: typeof type.skip === 'function' ? type.skip(view) : (type.skip ?? 'allowed'),
  };
}
