import { HoldfastError } from './errors.ts';

export interface StepToPlan {
  id: string;
  uses: string;
  needs: readonly string[];
  /** a step without a budget takes no time in the plan */
  budgetMs: number | null;
  /** when it runs at all, in words; left out: always */
  when?: string | undefined;
  /** how it is taken back beside what its type does by itself, in words; left out: not at all */
  undo?: string | undefined;
}

export interface PlannedTimes {
  id: string;
  uses: string;
  needs: readonly string[];
  budgetMs: number | null;
  /** from the start of the run, when everything takes exactly its budget */
  startMs: number;
  endMs: number;
  /** a later end of this step makes service come back later */
  critical: boolean;
  when?: string | undefined;
  undo?: string | undefined;
}

export interface StepPlan {
  /** in the order of their earliest start */
  steps: PlannedTimes[];
  /** steps that may start at the same time, group by group */
  waves: string[][];
  criticalPath: string[];
  /** length of the critical path up to the step that brings service back */
  criticalMs: number;
  /** that step; what comes after it does not count against the RTO */
  servedBy: string;
}

/**
 * When each step can start if every step takes its budget, and which chain of steps decides when service is back.
 * @param servedBy - what the step that ends the RTO clock `uses`; without such a step the whole runbook counts.
 */
export function planCriticalPath(steps: readonly StepToPlan[], servedBy = 'switch'): StepPlan {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const ends = new Map<string, number>();
  const endOf = (id: string, path: readonly string[] = []): number => {
    const known = ends.get(id);
    if (known !== undefined) return known;
    const step = byId.get(id);
    if (!step || path.includes(id)) throw new HoldfastError('BadSystemFile', `runbook: step "${id}" is unknown or needs itself`);
    const end = Math.max(0, ...step.needs.map((need) => endOf(need, [...path, id]))) + (step.budgetMs ?? 0);
    ends.set(id, end);
    return end;
  };
  for (const { id } of steps) endOf(id);
  const last = steps.findLast((step) => step.uses === servedBy)?.id ?? [...steps].sort((a, b) => ends.get(b.id)! - ends.get(a.id)!)[0]!.id;
  const criticalPath = walkBack(last, byId, ends);
  const planned = steps
    .map((step) => ({ ...step, startMs: ends.get(step.id)! - (step.budgetMs ?? 0), endMs: ends.get(step.id)!, critical: criticalPath.includes(step.id) }))
    .sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
  return { steps: planned, waves: wavesOf(steps, byId), criticalPath, criticalMs: ends.get(last)!, servedBy: last };
}

/** From the last step back over the need that ends latest, which is the one that it waits for. */
function walkBack(last: string, byId: ReadonlyMap<string, StepToPlan>, ends: ReadonlyMap<string, number>): string[] {
  const path = [last];
  while (true) {
    const needs = byId.get(path[0]!)!.needs;
    if (needs.length === 0) return path;
    path.unshift([...needs].sort((a, b) => ends.get(b)! - ends.get(a)!)[0]!);
  }
}

/** A step stands one wave behind the last of what it needs. */
function wavesOf(steps: readonly StepToPlan[], byId: ReadonlyMap<string, StepToPlan>): string[][] {
  const depth = (id: string): number => 1 + Math.max(-1, ...byId.get(id)!.needs.map(depth));
  const waves: string[][] = [];
  for (const { id } of steps) (waves[depth(id)] ??= []).push(id);
  return waves;
}
