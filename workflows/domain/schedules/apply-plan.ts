import type { DesiredSchedule, ScheduleState } from './desired.ts';
import { ourPause } from './desired.ts';
import { describeTimes } from './describe-times.ts';

/**
 * What `holdfast apply` does to one schedule, archive or watch on readiness. `held`: it differs from the file in that somebody (or a failure) paused it, or a run has it: left so.
 * `foreign`: the name is taken by what is not ours, and is never touched.
 */
export type Change = 'create' | 'update' | 'pause' | 'resume' | 'start' | 'stop' | 'unchanged' | 'held' | 'foreign';

export interface PlanRow {
  what: 'schedule' | 'archive' | 'readiness';
  /** `demo/full-backup`; `archive/demo/documents`; `ready/demo` */
  id: string;
  change: Change;
  /** what differs, or why it is left: a sentence each */
  why: string[];
}

export interface SchedulePlanRow extends PlanRow {
  what: 'schedule';
  /** what it is to be; left out: nothing is done */
  to?: { desired: DesiredSchedule; paused: boolean; note: string } | { paused: true; note: string } | undefined;
}

export interface ApplyPlan {
  system: string;
  /** SHA-256 of what the system file asks for, 64 hex digits: two that read different files find out */
  digest: string;
  rows: PlanRow[];
  /** what people should know before they say yes */
  notes: string[];
}

export type Found = ScheduleState & { id: string; foreign: string[] };

export const changes = (rows: readonly PlanRow[]): PlanRow[] => rows.filter(({ change }) => !['unchanged', 'held', 'foreign'].includes(change));

/** The same text for the same value, whatever the order of its fields; what is undefined is not there, as in JSON. */
export function canonical(value: unknown): string {
  const sorted = (_: string, inner: unknown): unknown =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner;
  return JSON.stringify(value, sorted) ?? 'undefined';
}

const isOurs = (note: string): boolean => note.startsWith(ourPause);

/** @param resume - what people or failures paused goes on, too. */
export function planSchedule(desired: DesiredSchedule, found: Found | undefined, resume: boolean): SchedulePlanRow {
  const { id, paused, note } = desired;
  const row = (change: Change, why: string[], to?: SchedulePlanRow['to']): SchedulePlanRow => ({ what: 'schedule', id, change, why, ...(to ? { to } : {}) });
  if (!found) return row('create', [`${describeTimes(desired.times)}: ${desired.workflow}`, ...(paused ? [`paused: ${note.slice(ourPause.length)}`] : [])], { desired, paused, note });
  const differs = differences(desired, found);
  // What somebody else paused stays so until a person says otherwise: they knew why.
  const theirs = found.paused && !isOurs(found.note);
  const keep = theirs && (paused || !resume);
  const to = keep ? { desired, paused: true, note: found.note } : { desired, paused, note };
  const held = keep && !paused ? [`paused on the server${found.note === '' ? '' : ` ("${found.note}")`}, and not in the file: stays so; --resume ends it`] : [];
  if (to.paused && !found.paused) return row(differs.length > 0 ? 'update' : 'pause', [...differs, `paused: ${to.note.slice(ourPause.length)}`], to);
  if (!to.paused && found.paused) return row(differs.length > 0 ? 'update' : 'resume', [...differs, `was paused ("${found.note}")`], to);
  if (to.note !== found.note) differs.push(`note "${found.note}" → "${to.note}"`);
  if (differs.length > 0) return row('update', [...differs, ...held], to);
  return held.length > 0 ? row('held', held) : row('unchanged', []);
}

/** One of ours that the file does not name any more: never deleted, as its history says what it did. */
export function planRemoved(found: Found, system: string): SchedulePlanRow {
  return planPaused(found, `not in systems/${system}.yaml any more`);
}

/** One of ours that nothing asks for any more, or whose system has no file that can be read, so that what it starts would fail: paused with the reason, and it goes on when the file has it again. */
export function planPaused(found: Found, why: string): SchedulePlanRow {
  return found.paused ? { what: 'schedule', id: found.id, change: 'unchanged', why: [`${why}; paused`] } : { what: 'schedule', id: found.id, change: 'pause', why: [why], to: { paused: true, note: `${ourPause}${why}` } };
}

const words: Record<keyof Omit<ScheduleState, 'times' | 'input' | 'paused' | 'note'>, string> = {
  workflow: 'workflow', workflowId: 'workflow id', summary: 'summary', overlap: 'overlap', catchUpMs: 'catch-up (ms)', pauseOnFailure: 'pause on failure',
};

function differences(desired: DesiredSchedule, found: Found): string[] {
  const said: string[] = [];
  if (timesOf(desired) !== timesOf(found)) said.push(`when: ${describeTimes(found.times)} → ${describeTimes(desired.times)}`);
  if (canonical(desired.input) !== canonical(found.input)) said.push(`input: ${canonical(found.input)} → ${canonical(desired.input)}`);
  for (const [field, word] of Object.entries(words) as [keyof typeof words, string][]) {
    if (desired[field] !== found[field]) said.push(`${word}: ${String(found[field])} → ${String(desired[field])}`);
  }
  return [...said, ...found.foreign.map((what) => `${what}: taken away, as the file has none`)];
}

const timesOf = ({ times: { calendars, intervals, zone, jitterMs } }: Pick<ScheduleState, 'times'>): string =>
  canonical({ calendars: calendars.map(canonical).sort(), intervals: intervals.map(canonical).sort(), zone, jitterMs });

/** In lines, for people. */
export function describePlan({ system, rows, notes }: ApplyPlan): string[] {
  const order: Change[] = ['foreign', 'create', 'start', 'update', 'resume', 'pause', 'stop', 'held', 'unchanged'];
  const sorted = [...rows].sort((a, b) => order.indexOf(a.change) - order.indexOf(b.change));
  const count = changes(rows).length;
  return [
    `${system}: ${count === 0 ? 'nothing to change' : `${count} to change`}`,
    ...sorted.map(({ change, id, why }) => `  ${change.padEnd(9)} ${id}${why.length > 0 ? `  ${why.join('; ')}` : ''}`),
    ...notes.map((note) => `  note      ${note}`),
  ];
}
