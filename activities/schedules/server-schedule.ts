import type { CalendarSpec, CalendarSpecDescription, Range, ScheduleDescription, ScheduleOptions, ScheduleSpec, ScheduleUpdateOptions } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { taskQueues } from '../../workflows/contract.ts';
import { searchAttributes } from '../../workflows/domain/names.ts';
import type { DesiredSchedule, ScheduleState } from '../../workflows/domain/schedules/desired.ts';
import { months, numbersTo, weekdays, type Calendar, type ScheduleTimes } from '../../workflows/domain/schedules/when.ts';

/** Between what we say of a schedule and what Temporal's client calls it. */

/** Runs of numbers as ranges: the UI shows `0-23`, not 24 numbers. Each end is given, as the client takes a missing one for 1. */
function rangesOf<V>(values: readonly number[], name: (value: number) => V): Range<V>[] {
  const runs: number[][] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last && value === last.at(-1)! + 1) last.push(value);
    else runs.push([value]);
  }
  return runs.map((run) => ({ start: name(run[0]!), end: name(run.at(-1)!), step: 1 }));
}

const plain = (value: number): number => value;
const upper = <const N extends readonly string[]>(names: N): Uppercase<N[number]>[] => names.map((name) => name.toUpperCase() as Uppercase<N[number]>);
const monthNames = upper(months);
const dayNames = upper(weekdays);

const toCalendar = ({ minute, hour, dayOfMonth, month, dayOfWeek }: Calendar): CalendarSpec => ({
  minute: rangesOf(minute, plain),
  hour: rangesOf(hour, plain),
  dayOfMonth: rangesOf(dayOfMonth, plain),
  month: rangesOf(month, (value) => monthNames[value - 1]!),
  dayOfWeek: rangesOf(dayOfWeek, (value) => dayNames[value]!),
});

const toSpec = ({ calendars, intervals, zone, jitterMs }: ScheduleTimes): ScheduleSpec => ({
  calendars: calendars.map(toCalendar),
  intervals: intervals.map(({ everyMs, offsetMs }) => ({ every: everyMs, offset: offsetMs })),
  timezone: zone,
  jitter: jitterMs,
});

/** What a schedule of ours is known by: set when it is made, and never changed by the server or by an update. */
const ownerMemo = (system: string): { holdfast: { system: string } } => ({ holdfast: { system } });

export const systemOf = (memo: Record<string, unknown> | undefined): string | undefined => {
  const owner = memo?.['holdfast'] as { system?: unknown } | undefined;
  return typeof owner?.system === 'string' ? owner.system : undefined;
};

export const toUpdate = ({ times, workflow, workflowId, input, summary, overlap, catchUpMs, pauseOnFailure, paused, note }: DesiredSchedule, system: string): ScheduleUpdateOptions => ({
  spec: toSpec(times),
  action: { type: 'startWorkflow', workflowType: workflow, workflowId, taskQueue: taskQueues.control, args: [input], staticSummary: summary },
  policies: { overlap, catchupWindow: catchUpMs, pauseOnFailure },
  state: { paused, note },
  typedSearchAttributes: [{ key: defineSearchAttributeKey(searchAttributes.system, 'KEYWORD'), value: system }],
});

export const toOptions = (desired: DesiredSchedule, system: string): ScheduleOptions => ({ ...toUpdate(desired, system), scheduleId: desired.id, memo: ownerMemo(system) });

function valuesOf<V>(ranges: readonly Range<V>[], names: readonly V[]): number[] {
  const values = ranges.flatMap(({ start, end, step }) => {
    const [from, to] = [names.indexOf(start), names.indexOf(end)];
    return numbersTo(from, to).filter((value) => (value - from) % step === 0);
  });
  return [...new Set(values)].sort((a, b) => a - b);
}

const sixty = numbersTo(0, 59);

const fromCalendar = ({ minute, hour, dayOfMonth, month, dayOfWeek }: CalendarSpecDescription): Calendar => ({
  minute: valuesOf(minute, sixty),
  hour: valuesOf(hour, sixty),
  dayOfMonth: valuesOf(dayOfMonth, sixty),
  month: valuesOf(month, monthNames).map((index) => index + 1),
  dayOfWeek: valuesOf(dayOfWeek, dayNames),
});

export interface FoundSchedule extends ScheduleState {
  id: string;
  /** what stands there that we never write: it was changed by somebody else */
  foreign: string[];
}

/** What the server has, in our words. */
export function fromDescription({ scheduleId, spec, action, policies, state }: ScheduleDescription): FoundSchedule {
  const calendars = spec.calendars ?? [];
  const foreign = [
    ...(calendars.some(({ second, year }) => second.some(({ start, end }) => start !== 0 || end !== 0) || year.length > 0) ? ['calendars of seconds or years'] : []),
    ...((spec.skip ?? []).length > 0 ? ['times that are left out'] : []),
    ...(spec.startAt || spec.endAt ? ['a first or last moment'] : []),
    ...(state.remainingActions !== undefined ? [`a limit of ${state.remainingActions} starts`] : []),
    ...(action.taskQueue !== taskQueues.control ? [`task queue ${action.taskQueue}`] : []),
  ];
  return {
    id: scheduleId,
    times: {
      calendars: calendars.map(fromCalendar),
      intervals: (spec.intervals ?? []).map(({ every, offset }) => ({ everyMs: every, offsetMs: offset })),
      zone: spec.timezone ?? 'UTC',
      jitterMs: spec.jitter ?? 0,
    },
    workflow: action.workflowType,
    workflowId: action.workflowId ?? '',
    input: (action.args as unknown[] | undefined)?.[0],
    summary: action.staticSummary ?? '',
    overlap: policies.overlap ?? 'SKIP',
    catchUpMs: policies.catchupWindow,
    pauseOnFailure: policies.pauseOnFailure,
    paused: state.paused,
    note: state.note ?? '',
    foreign,
  };
}
