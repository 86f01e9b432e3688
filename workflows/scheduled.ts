import { defineSearchAttributeKey } from '@temporalio/common';
import { isCancellation, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import { drillFailed, scheduleFailed, scheduleWell } from './domain/notify/other-notices.ts';
import type { SystemView } from './domain/system-view.ts';
import { describeFailure } from './failure.ts';
import { Announcer } from './notify/announcer.ts';

/** Set by Temporal on what a schedule of its starts. */
const scheduledById = defineSearchAttributeKey('TemporalScheduledById', 'KEYWORD');

/** The id of the schedule that started this workflow; undefined: none did. */
export const scheduledBy = (): string | undefined => workflowInfo().typedSearchAttributes.get(scheduledById);

const scheduledStart = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME');

/** The moment that a start by a schedule was due at, without its jitter; of a backfill, the one in the past. UTC ISO. Undefined: none started it. */
export const dueAt = (): string | undefined => (scheduledBy() === undefined ? undefined : workflowInfo().typedSearchAttributes.get(scheduledStart)?.toISOString());

/** What a start by a schedule answers that met a run already under way: no failure, since the next start comes by itself. */
export interface Skipped {
  skipped: string;
}

export function skip(why: string): Skipped {
  setCurrentDetails(`**Skipped**: ${why}`);
  return { skipped: why };
}

/** What an entry knows of its own way, for `tellingOfSchedule`. */
export interface Way {
  /** once it was read: it says who is told */
  view?: SystemView;
  /** the work is a child that tells people itself how it ends */
  handedOn?: boolean;
  /** it is a drill: what came to nothing is that the system can be recovered */
  drill?: boolean | undefined;
}

/**
 * Runs an entry; where a schedule started it and it fails before anything that tells people by itself, they are told, and told again when the next start
 * is well. Where the system file cannot be read nobody can be told: the red workflow is what remains.
 */
export async function tellingOfSchedule<T>(work: (way: Way) => Promise<T>): Promise<T> {
  const way: Way = {};
  const id = scheduledBy();
  const tell = async (write: Parameters<Announcer['tell']>[2]): Promise<void> => {
    if (id === undefined || !way.view || way.handedOn) return;
    const announcer = new Announcer(way.view.system, () => undefined);
    announcer.tell(way.view.notify, 'schedule-failed', write);
    await announcer.flush();
  };
  try {
    const answer = await work(way);
    if (workflowInfo().lastFailure) await tell((origin) => scheduleWell(origin, id!));
    return answer;
  } catch (error) {
    const { type, message } = describeFailure(error);
    if (!isCancellation(error)) await tell((origin) => (way.drill ? drillFailed : scheduleFailed)(origin, id!, `${type}: ${message}`));
    throw error;
  }
}
