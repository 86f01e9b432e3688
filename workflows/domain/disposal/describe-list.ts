import { HoldfastError } from '../errors.ts';
import { formatLogPosition, type LogPosition } from '../log-position.ts';
import { formatBytes } from '../units.ts';

/** All bases and imports of one or more sources, as somebody is shown them before they are disposed of together. */
export interface DisposalList {
  system: string;
  /** by the store's clock */
  at: string;
  /** SHA-256 of which points it names, and of their manifests as they are */
  digest: string;
  /** by source, the oldest first */
  points: ListedPoint[];
  bytes: number;
  /** what is not on it, a sentence each */
  stays: string[];
}

export interface ListedPoint {
  source: string;
  point: string;
  timeline: string;
  end: LogPosition;
  objects: number;
  bytes: number;
  /** wrappings of its key: who could open it */
  wrappings: number;
  /** until when the store keeps its keys from being deleted; null: not at all */
  keysLockedUntil: string | null;
  /** an earlier disposal of it was begun */
  begunAt: string | null;
  /** why none of the list goes; empty: nothing stands against it */
  refused: string[];
}

/**
 * Nothing of a list goes where one thing stands against it.
 * @param expected - the digest that was agreed to.
 * @throws NoRecoveryPoint, BadInput, NotPermitted.
 */
export function refuseList(what: string, { digest, points }: DisposalList, expected: string | undefined): void {
  if (points.length === 0) throw new HoldfastError('NoRecoveryPoint', `${what}: there is no base and no import`);
  const shown = 'say "dryRun": true, look at the list, and give its digest as "expected"';
  if (expected === undefined) throw new HoldfastError('BadInput', `field "expected" is missing: ${what} goes only by a list that somebody was shown`, { hint: shown });
  if (expected !== digest) throw new HoldfastError('BadInput', `field "expected" is ${expected}, and the list of ${what} is ${digest} by now: it has changed since it was shown`, { hint: shown });
  const against = points.flatMap(({ source, point, refused }) => refused.map((why) => `${source}/${point}: ${why}`));
  if (against.length > 0) throw new HoldfastError('NotPermitted', `nothing of ${what} is disposed of: ${against.slice(0, 10).join('; ')}${against.length > 10 ? `; and ${against.length - 10} more` : ''}`);
}

export const describeList = ({ system, at, digest, points, bytes, stays }: DisposalList): string[] => [
  `${system}: ${points.length} recovery points, ${formatBytes(bytes)}, at ${at} by the store’s clock`,
  ...points.flatMap(({ source, point, end, objects, bytes: its, wrappings, keysLockedUntil, begunAt, refused }) => [
    `${source}/${point} of ${formatLogPosition(end)}: ${wrappings} wrappings of its key${keysLockedUntil === null ? '' : `, locked until ${keysLockedUntil}`}, ${objects} objects, ${formatBytes(its)}${begunAt === null ? '' : `; its disposal was begun at ${begunAt}`}`,
    ...refused.map((why) => `refused: ${source}/${point}: ${why}`),
  ]),
  ...stays,
  `this list: ${digest}`,
];

export const describeEnds = (ends: readonly { source: string; point: string; outcome: string; why: string | null; certificate: { key: string } | null }[]): string[] =>
  ends.map(({ source, point, outcome, why, certificate }) => `${source}/${point}: ${outcome}${why === null ? '' : `: ${why}`}${certificate === null ? '' : `; certificate: ${certificate.key}`}`);
