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
 * | killed | left behind | then |
 * |---|---|---|
 * | in what the type takes back | some of it | that call again: each is safe to repeat |
 * | in the program | some of what it does; it ends with its worker | the program again, whole, and the step's line says at which try it ended well; what came before is not repeated |
 * | while the person is asked | nothing: that they were asked is in the run | they are asked once |
 *
 * Where a part fails the undo is stuck, and a person's retry begins all of it anew.
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
