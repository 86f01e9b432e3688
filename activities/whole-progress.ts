import type { JobContext, JobReading } from './context.ts';

/** A phase of a job, and what it is of the whole: in any measure that is the same for all of them. */
export interface Stage {
  phase: string;
  /** as it is expected before the phase begins */
  weight: number;
  /** what one of the units is that the phase counts; left out: the weight stays what was expected */
  perUnit?: number;
}

/**
 * The same job, which tells beside how far a phase is how far all of them are. The stages in the order in which they come; one that never comes
 * is passed over.
 */
export function tellWhole<C extends JobContext>(context: C, stages: readonly Stage[]): C {
  const known = stages.map((stage) => ({ ...stage }));
  const sum = (of: readonly Stage[]): number => of.reduce((total, { weight }) => total + weight, 0);
  const progress = (reading: JobReading): void => {
    const at = known.findIndex(({ phase }) => phase === reading.phase);
    const stage = known[at];
    if (stage?.perUnit !== undefined && reading.of > 0) stage.weight = reading.of * stage.perUnit;
    context.progress(stage ? { ...reading, whole: { before: sum(known.slice(0, at)), part: stage.weight, of: sum(known) } } : reading);
  };
  return { ...context, progress };
}
