import { layout, parseRangeKey } from './layout.ts';
import type { LogPosition } from './log-position.ts';

/** What people, or a verification, say of a base, an import or a slice. */
export const markStates = ['suspect', 'bad', 'hold', 'good'] as const;
/** Those, and what a disposal says: before it destroys anything, and when it gives way and destroys nothing. */
export const writtenMarkStates = [...markStates, 'disposed', 'kept'] as const;
export type MarkState = (typeof writtenMarkStates)[number];

export interface Said {
  /** as claimed; `verification` where Holdfast found it itself */
  by: string;
  /** by the store's clock, UTC ISO */
  at: string;
  reason: string;
}

/** What holds of a point now, of all that was ever said of it. Neither: nothing is said against it, and nobody holds it. */
export interface PointMark {
  /** nobody is given it who does not name it */
  doubt?: Said & { is: 'suspect' | 'bad' };
  /** neither retention nor a disposal takes it */
  hold?: Said;
  /** it is being disposed of: nobody is given it, by whatever name */
  disposal?: Said;
}

/**
 * Folds what was said, the oldest first. A doubt and a hold stand beside each other: who holds a bad base as evidence has not made it good. `good` takes back all.
 * @returns undefined when nothing holds any more.
 */
export function foldMarks(marks: readonly (Said & { state: MarkState })[]): PointMark | undefined {
  let now: PointMark = {};
  for (const { state, by, at, reason } of marks) {
    const said = { by, at, reason };
    if (state === 'good') now = {};
    else if (state === 'hold') now = { ...now, hold: said };
    else if (state === 'disposed') now = { ...now, disposal: said };
    // Whoever said that it is bad has not been asked.
    else if (state === 'kept') now = { ...(now.doubt ? { doubt: now.doubt } : {}), ...(now.hold ? { hold: now.hold } : {}) };
    else now = { ...now, doubt: { is: state, ...said } };
  }
  return now.doubt || now.hold || now.disposal ? now : undefined;
}

const tell = ({ by, at, reason }: Said): string => `by ${by} at ${at}: ${reason}`;
export const describeDoubt = ({ is, ...said }: NonNullable<PointMark['doubt']>): string => `marked ${is} ${tell(said)}`;

/** `marked bad by verification at …: …; held by dana at …: …`; empty: nothing. */
export const describeMark = (mark: PointMark | undefined): string => [...(mark?.doubt ? [describeDoubt(mark.doubt)] : []), ...(mark?.hold ? [`held ${tell(mark.hold)}`] : []), ...(mark?.disposal ? [`disposed of ${tell(mark.disposal)}`] : [])].join('; ');

/** The name that a slice is marked by. */
export const slicePoint = ({ timeline, from, to }: { timeline: string; from: LogPosition; to: LogPosition }): string => `${timeline}.${from}_${to}`;

/** The key of the slice that a mark is of; undefined: it is of a base or an import. */
export function keyOfSlicePoint(of: { system: string; source: string }, point: string): string | undefined {
  const [timeline, range] = point.split('.');
  const positions = range === undefined ? undefined : parseRangeKey(range);
  return positions && layout.slice({ ...of, timeline: timeline! }, positions.from, positions.to);
}

/** One mark, once it is written, and what follows from it. */
export const describeWritten = ({ point, state, ...said }: Said & { point: string; state: MarkState }): string => `${point} is marked ${state} ${tell(said)}: ${consequences[state]}`;

const consequences: Readonly<Record<MarkState, string>> = {
  suspect: 'given to nobody who does not name it',
  bad: 'given to nobody who does not name it',
  hold: 'neither retention nor a disposal takes it',
  disposed: 'given to nobody',
  kept: 'its disposal gave way, and it is given as before',
  good: 'nothing is said against it any more, and nobody holds it',
};
