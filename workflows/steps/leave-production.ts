import { describePartial } from '../domain/chosen-namespaces.ts';
import type { StepContext, StepOutcome } from './step.ts';

/** Why a step that touches production is passed over in this run; undefined: it has to be done. */
export function leaveProduction({ purpose, only }: StepContext): StepOutcome | undefined {
  if (purpose === 'drill') return { summary: 'a drill leaves production alone', passedOver: true };
  // Most of the data is not there: whoever were let in would find, and write to, a part of it.
  if (only) return { summary: `${describePartial(only)}; production is left alone`, passedOver: true };
  return undefined;
}
