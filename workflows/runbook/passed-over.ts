import { whenHolds } from '../domain/condition.ts';
import type { PlannedStep, RunSnapshot } from './run-types.ts';

/** It leaves production alone, and this run is a drill or brings a part only. */
export const leavesProduction = ({ production }: PlannedStep, { state }: Pick<RunSnapshot, 'state'>): boolean => production === true && (state.purpose === 'drill' || state.only !== undefined);

/** Steps not begun that the run is going to pass over, if all that is still to end ends well and nobody says anything: they take none of its time. */
export function passedOver({ plan, state, engines }: Pick<RunSnapshot, 'plan' | 'state' | 'engines'>): Set<string> {
  const steps = new Map(state.steps.map((step) => [step.id, step]));
  const end = (id: string): { state: 'done' | 'skipped'; error: { type: string; message: string } | null } | undefined => {
    const step = steps.get(id);
    return step && { state: step.state === 'skipped' ? 'skipped' : 'done', error: step.state === 'skipped' ? step.error : null };
  };
  const facts = { purpose: state.purpose, severity: state.severity, partial: state.only !== undefined, engines, step: end };
  const isPassedOver = (planned: PlannedStep): boolean => steps.get(planned.id)?.state === 'pending' && (leavesProduction(planned, { state }) || (planned.when !== undefined && !whenHolds(planned.when, facts)));
  return new Set(plan.filter(isPassedOver).map(({ id }) => id));
}
