import { describeIssues } from '../domain/describe-issues.ts';
import { HoldfastError } from '../domain/errors.ts';
import { expandRunbook, type FlatStep } from '../domain/expand-runbook.ts';
import type { StepTypeName } from '../domain/step-settings.ts';
import type { SystemView } from '../domain/system.ts';
import type { PlannedStep } from '../runbook/run-types.ts';
import { approval } from './approval.ts';
import { buildIndexes } from './build-indexes.ts';
import { declare } from './declare.ts';
import { drain } from './drain.ts';
import { elevate } from './elevate.ts';
import { fence } from './fence.ts';
import { findRecoveryPoint } from './find-recovery-point.ts';
import { gateRequest } from './gate-request.ts';
import { manual } from './manual.ts';
import { notify } from './notify.ts';
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
const types: Readonly<Record<StepTypeName, AnyStepType>> = {
  declare,
  'find-recovery-point': findRecoveryPoint,
  provision,
  restore,
  replay,
  'build-indexes': buildIndexes,
  validate,
  approval,
  manual,
  fence,
  drain,
  promote,
  switch: switchStep,
  protect,
  notify,
  report,
  elevate,
};
export const stepTypes: Readonly<Record<string, AnyStepType>> = types;

/**
 * A runbook as the engine takes it, with its sub-runbooks and loops written out. Everything wrong with it is found here, before anything is touched.
 * @param name - one of the system's `runbooks`; left out: its `runbook`.
 * @throws BadSystemFile - names every step, field and what was expected; an unknown type with the known ones.
 */
export function planSteps(view: SystemView, name?: string): PlannedStep[] {
  const steps = expandRunbook(view, name);
  const problems = steps.flatMap((step) => findProblems(view, step));
  if (problems.length > 0) throw new HoldfastError('BadSystemFile', `The runbook of ${view.system} cannot run: ${problems.join('; ')}.`);
  return steps.map((step) => planStep(view, step));
}

function findProblems(view: SystemView, step: FlatStep): string[] {
  const where = `${step.at} ("${step.id}")`;
  const type = stepTypes[step.uses];
  if (!type) return [`${where}: unknown step type "${step.uses}"; known: ${[...Object.keys(stepTypes), 'runbook'].join(', ')}`];
  const parsed = type.settings.safeParse(step.with ?? {});
  if (!parsed.success) return [`${where}: ${describeIssues(parsed.error, step.with ?? {}, ['with'])}`];
  const gates = [type === elevate ? undefined : type.gate?.(view, step.id, step.with).gate, step.approval].filter((gate) => gate !== undefined && !view.approvals[gate]);
  return [
    ...gates.map((gate) => `${where}: gate "${gate}" is not under approvals; known: ${Object.keys(view.approvals).join(', ') || 'none'}`),
    ...(step.source !== undefined && !type.perSource ? [`${where}: field "source": a step that uses ${step.uses} is of the whole system`] : []),
    // What takes a second person to skip, or cannot be skipped, no runbook may go on without.
    ...(step.onFailure === 'continue' && type.skip !== undefined ? [`${where}: field "onFailure": a step that uses ${step.uses} cannot be gone on without; let it pause`] : []),
  ];
}

function planStep(view: SystemView, step: FlatStep): PlannedStep {
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
    ...(type.renews ? { renews: true } : {}),
    ...(type.production ? { production: true } : {}),
    ...(step.with ? { with: step.with } : {}),
    ...(step.source ? { sources: [step.source] } : {}),
    ...(step.when.length > 0 ? { when: step.when } : {}),
    ...(step.timeout ? { timeoutMs: step.timeout } : {}),
    ...(step.onFailure ? { onFailure: step.onFailure } : {}),
    ...(step.approval ? { before: gateRequest(view, step.approval) } : {}),
  };
}
