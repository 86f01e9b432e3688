import { undoItem } from '../domain/step-undo.ts';
import type { PlannedStep } from '../runbook/run-types.ts';
import { stepTypes } from './index.ts';
import type { StepContext } from './step.ts';

/** What is left of an undo once its programs have ended: `confirms` is what a person takes back by hand. */
export interface UndoOutcome {
  summary: string | null;
  confirms?: { id: string; do: string }[];
}

/**
 * Takes back what a step did: first what its type takes back by itself, then the runbook's own `undo`, a program and at last a person.
 *
 * Killed anywhere, or failed: all of it begins anew, and each of its parts is safe to repeat. That the person was asked is in the run, so it is asked once.
 */
export async function undoStep(ctx: StepContext, { uses, with: settings, undoBy }: PlannedStep): Promise<UndoOutcome> {
  const type = stepTypes[uses]!;
  const said: string[] = [];
  if (type.undoes(ctx.view, settings)) said.push((await type.undo!(ctx, settings)).summary);
  if (undoBy?.command !== undefined) {
    const { command, inDrills } = undoBy;
    said.push((await stepTypes['command']!.run(ctx, { command, inDrills })).summary);
  }
  return { summary: said.length > 0 ? said.join('; ') : null, ...(undoBy?.manual === undefined ? {} : { confirms: [{ id: undoItem, do: undoBy.manual }] }) };
}
