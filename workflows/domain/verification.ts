import { hours } from './units.ts';

/** What a verification reads: the newest base and its log; one base alone; the log alone; a share of all that is kept; all of it; the keys of all of it; a whole restore. */
export const verifyScopes = ['newest', 'base', 'log', 'sample', 'all', 'keys', 'restore'] as const;
export const describeScope: Readonly<Record<VerifyScope, string>> = {
  newest: 'the newest base and its log',
  base: 'the new base',
  log: 'the log since the newest base',
  sample: 'a sample of all that is kept',
  all: 'all that is kept',
  keys: 'the keys of all that is kept',
  restore: 'a whole restore',
};
export type VerifyScope = (typeof verifyScopes)[number];

/** A sample as it is asked for: so many shares, each read once within a time. Every six hours a twenty-eighth is a week. */
export interface Rotation {
  shares: number;
  withinMs: number;
}
export const usualRotation: Rotation = { shares: 28, withinMs: hours(7 * 24) };

/** What a sample read, and how far the rotation is. */
export interface SampleRead {
  of: number;
  /** from 0 */
  read: number[];
  /** how many shares no sample has read yet */
  unread: number;
  /** whatever has been kept since then was read since then; null: not all of it was, yet */
  wholeSince: string | null;
  /** by when it will have been, at the latest with the first sample behind it; null: it was */
  wholeBy: string | null;
}

/** A sample that was made, as the store remembers it. */
export interface SampleDone {
  at: string;
  read: readonly number[];
}

/**
 * Whose turn it is: the share that was read longest ago, those that never were before all others, and beside it every share that would be late by now: so what an
 * outage left out is made up for by the first sample after it.
 *
 * @param done - earlier samples of as many shares, in any order.
 * @param now - by the store's clock.
 */
export function nextShares(done: readonly SampleDone[], { shares, withinMs }: Rotation, now: string): number[] {
  const lastOf = lastRead(done);
  const begun = done.map(({ at }) => at).sort()[0] ?? now;
  const byAge = Array.from({ length: shares }, (_, share) => share).sort((a, b) => (lastOf.get(a) ?? '').localeCompare(lastOf.get(b) ?? '') || a - b);
  const isLate = (share: number): boolean => Date.parse(now) - Date.parse(lastOf.get(share) ?? begun) > withinMs;
  return byAge.filter((share, at) => at === 0 || isLate(share)).sort((a, b) => a - b);
}

/** How far the rotation is once `done`, of which one at least is there, were made. */
export function rotationAfter(done: readonly SampleDone[], { shares, withinMs }: Rotation): Pick<SampleRead, 'unread' | 'wholeSince' | 'wholeBy'> {
  const lastOf = lastRead(done);
  const unread = shares - lastOf.size;
  const begun = done.map(({ at }) => at).sort()[0]!;
  return {
    unread,
    wholeSince: unread === 0 ? [...lastOf.values()].sort()[0]! : null,
    wholeBy: unread === 0 ? null : new Date(Date.parse(begun) + withinMs).toISOString(),
  };
}

/** Of all that is kept, the share that was read within the time in which all of it is to be: 1, as long as no sample was missed. */
export function verifiedShare(done: readonly SampleDone[], { shares, withinMs }: Rotation, nowMs: number): number {
  return [...lastRead(done).values()].filter((at) => nowMs - Date.parse(at) <= withinMs).length / shares;
}

function lastRead(done: readonly SampleDone[]): Map<number, string> {
  const last = new Map<number, string>();
  for (const { at, read } of done) for (const share of read) if (at > (last.get(share) ?? '')) last.set(share, at);
  return last;
}

export const describeSample = ({ of, read, unread, wholeSince, wholeBy }: SampleRead): string =>
  `${read.length === 1 ? `share ${read[0]! + 1}` : `shares ${read.map((one) => one + 1).join(', ')}`} of ${of}; ${wholeSince !== null ? `all that is kept was read since ${wholeSince}` : `${unread} not read yet, all by ${wholeBy}`}`;
