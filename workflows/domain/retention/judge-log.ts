import type { SliceRange } from '../chain.ts';
import type { LogVerdict, RetentionPlan } from './plan.ts';

type LogPlan = Pick<RetentionPlan, 'keptLog' | 'logEnds'>;

/** Why a slice stays, a clause each; empty: it goes. Whatever the plan could not know of stays. */
export function whySliceStays({ keptLog, logEnds }: LogPlan, timeline: string, { from, to }: Pick<SliceRange, 'from' | 'to'>): string[] {
  const end = logEnds[timeline];
  if (end === undefined) return ['its timeline is left alone'];
  if (to > end) return ['it was archived since'];
  const why = keptLog.filter((range) => range.timeline === timeline && to > range.from && (range.to === null || from < range.to)).map((range) => range.why);
  return [...new Set(why)];
}

/** Whether a slice may go by both: the plan that people saw, and the one that is made right before the act. */
export const mayGo = (plans: readonly LogPlan[], timeline: string, slice: Pick<SliceRange, 'from' | 'to'>): boolean => plans.every((plan) => whySliceStays(plan, timeline, slice).length === 0);

/** Gathers slices of one timeline, in order, into stretches with one verdict; memory is the stretches. */
export function tallyLog(plan: LogPlan, timeline: string): { add(slice: Pick<SliceRange, 'from' | 'to'> & { bytes: number }): void; end(): LogVerdict[] } {
  const stretches: LogVerdict[] = [];
  return {
    add({ from, to, bytes }) {
      const why = whySliceStays(plan, timeline, { from, to });
      const last = stretches.at(-1);
      if (last?.goes === (why.length === 0) && last.why.join() === why.join()) Object.assign(last, { to: to > last.to ? to : last.to, slices: last.slices + 1, storedBytes: last.storedBytes + bytes });
      else stretches.push({ timeline, from, to, slices: 1, storedBytes: bytes, goes: why.length === 0, why });
    },
    end: () => stretches.map((one) => (one.goes ? { ...one, why: ['no base that stays needs it'] } : one)),
  };
}
