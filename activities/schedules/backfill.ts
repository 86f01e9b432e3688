import type { Client } from '@temporalio/client';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { findSchedule } from './read-server.ts';

/** Temporal leaves the first moment of a span out. */
const before = (ms: number): number => ms - 1_000;

/** The moments of a schedule in a span, both ends included; a page of the server's answer is enough to see that there are too many. */
async function momentsOf(client: Client, id: string, fromMs: number, toMs: number): Promise<string[]> {
  const [startTime, endTime] = [before(fromMs), toMs].map((ms) => ({ seconds: Math.floor(ms / 1_000) as never }));
  const { startTime: found } = await client.workflowService.listScheduleMatchingTimes({ namespace: client.options.namespace, scheduleId: id, startTime, endTime });
  return (found ?? []).map(({ seconds }) => new Date(Number(seconds) * 1_000).toISOString());
}

/**
 * The starts of a schedule that a span of the past would have had: one after the other, whether it is paused or not.
 *
 * @param most - more of them than this are refused, before any starts.
 * @param dryRun - only says which.
 * @throws BadInput - no such schedule of this system, a span that is not in the past or the wrong way round, or too many.
 */
export async function backfill(client: Client, of: { system: string; id: string; from: string; to: string; most: number; dryRun: boolean }): Promise<string[]> {
  const { system, id, from, to, most, dryRun } = of;
  const there = await findSchedule(client, id);
  if (there?.owner !== system) throw new HoldfastError('BadInput', `${system} has no schedule "${id}"`, { hint: `holdfast schedules ${system} lists them` });
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)];
  if (fromMs > toMs || toMs > Date.now()) throw new HoldfastError('BadInput', `from ${from} to ${to}: expected a span of the past`);
  const moments = await momentsOf(client, id, fromMs, toMs);
  if (moments.length > most) throw new HoldfastError('BadInput', `${moments.length} starts from ${from} to ${to}: ${most} at most`, { hint: 'name a shorter span, or allow more by --most' });
  if (!dryRun && moments.length > 0) await client.schedule.getHandle(id).backfill({ start: new Date(before(fromMs)), end: new Date(toMs), overlap: 'BUFFER_ALL' });
  return moments;
}
