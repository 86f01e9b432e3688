import { durationSchema } from './duration.ts';
import { hours, minutes, seconds } from './units.ts';

/**
 * The moment of a surprise drill is not drawn before it has come: at each of a window's ticks it is drawn whether the drill begins now, so that neither a timer in
 * the UI, nor the schedule, nor a history says more than the window. Every tick is as likely as any other.
 */
export const surpriseSchema = durationSchema
  .refine((ms) => ms >= seconds(10) && ms <= hours(24 * 7), 'expected 10s to 7d')
  .meta({ description: 'a drill begins at some moment within so long, which nobody knows before: 4h' });

export function surpriseTicks(windowMs: number): { count: number; everyMs: number } {
  const count = Math.min(60, Math.max(10, Math.floor(windowMs / minutes(1))));
  return { count, everyMs: Math.floor(windowMs / count) };
}

/** @param tick - from 0. @param drawn - at random, from 0 to below 1. The last tick begins for certain. */
export const beginsAtTick = (tick: number, count: number, drawn: number): boolean => drawn < 1 / Math.max(1, count - tick);
