import { HoldfastError } from '../domain/errors.ts';
import { expandRunbook, type FlatStep } from '../domain/expand-runbook.ts';
import type { StepTypeName } from '../domain/step-language.ts';
import type { SystemView } from '../domain/system-view.ts';
import type { PlannedStep } from '../runbook/run-types.ts';
import { approval } from './approval.ts';
import { buildIndexes } from './build-indexes.ts';
import { copyBeside } from './copy-beside.ts';
import { command } from './command.ts';
import { compare } from './compare.ts';
import { declare } from './declare.ts';
import { deploy } from './deploy.ts';
import { drain } from './drain.ts';
import { elevate } from './elevate.ts';
import { fence } from './fence.ts';
import { findRecoveryPoint } from './find-recovery-point.ts';
import { gateRequest } from './gate-request.ts';
import { manual } from './manual.ts';
import { mask } from './mask.ts';
import { notify } from './notify.ts';
import { previewRows } from './preview-rows.ts';
import { promote } from './promote.ts';
import { protect } from './protect.ts';
import { provision } from './provision.ts';
import { replay } from './replay.ts';
import { report } from './report.ts';
import { restore } from './restore.ts';
import { restoreRows } from './restore-rows.ts';
import { safetyPoint } from './safety-point.ts';
import { swap } from './swap.ts';
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
  'safety-point': safetyPoint,
  'copy-beside': copyBeside,
  swap,
  compare,
  'preview-rows': previewRows,
  'restore-rows': restoreRows,
  mask,
  drain,
  promote,
  switch: switchStep,
  protect,
  deploy,
  command,
  notify,
  report,
  elevate,
};
export const stepTypes: Readonly<Record<string, AnyStepType>> = types;

/**
 * A runbook as the engine takes it, with its sub-runbooks and loops written out. What is wrong with it was found where the file was read.
 * @param name - one of the system's `runbooks`; left out: its `runbook`.
 * @throws BadSystemFile - a step type that this build of the workflows does not have: the file was read by a worker of another one.
 */
export function planSteps(view: SystemView, name?: string): PlannedStep[] {
  const steps = expandRunbook(view, name);
  for (const { at, id, uses } of steps) {
    if (!Object.hasOwn(types, uses)) throw new HoldfastError('BadSystemFile', `${at} ("${id}"): unknown step type "${uses}"; this build has ${Object.keys(types).join(', ')}.`);
  }
  return steps.map((step) => planStep(view, step));
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
    undo: type.undoes(view, step.with) || step.undo !== undefined,
    ...(step.undo ? { undoBy: step.undo } : {}),
    gate: type.gate?.(view, step.id, step.with) ?? null,
    skip: typeof type.skip === 'function' ? type.skip(view) : (type.skip ?? 'allowed'),
    ...(type.renews ? { renews: true } : {}),
    ...(type.production(step.with) ? { production: true } : {}),
    ...(step.with ? { with: step.with } : {}),
    ...(step.source ? { sources: [step.source] } : {}),
    ...(step.when.length > 0 ? { when: step.when } : {}),
    ...(step.timeout ? { timeoutMs: step.timeout } : {}),
    ...(step.onFailure ? { onFailure: step.onFailure } : {}),
    ...(step.approval ? { before: gateRequest(view, step.approval) } : {}),
  };
}
