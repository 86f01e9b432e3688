import { formatLogPosition, type LogPosition } from './log-position.ts';

/**
 * What a recovery to an earlier moment leaves out: the writes that the archive holds behind it. Counted from the entries of the log themselves,
 * transactions unwrapped, so a figure is never guessed; where not all could be counted it is a lower bound, and says why.
 */
export interface DiscardedWrites {
  inserts: number;
  updates: number;
  deletes: number;
  /** of collections, databases and indexes: created, dropped, renamed */
  commands: number;
  /** wall clock of the source at the first and the last of them, UTC ISO; null: there is none */
  firstAt: string | null;
  lastAt: string | null;
  /** those with the most writes, at most five of `namespaceCount` */
  namespaces: { ns: string; writes: number }[];
  namespaceCount: number;
  /** the log was counted up to here, inclusive; null: the archive holds none behind the moment */
  countedTo: LogPosition | null;
  /** why there are more, or may be, a sentence each; empty: all that the archive holds was counted */
  atLeast: string[];
}

const writesOf = ({ inserts, updates, deletes }: Pick<DiscardedWrites, 'inserts' | 'updates' | 'deletes'>): number => inserts + updates + deletes;

const grouped = (count: number): string => count.toLocaleString('en-US');
const counted = (count: number, one: string): string => `${grouped(count)} ${one}${count === 1 ? '' : 's'}`;

/** One or two sentences for people, of one source. */
export function describeDiscarded(source: string, of: DiscardedWrites): string {
  const { inserts, updates, deletes, commands, namespaces, namespaceCount, firstAt, lastAt, countedTo, atLeast } = of;
  const writes = writesOf(of);
  const why = atLeast.length > 0 ? ` Not counted: ${atLeast.join('; ')}.` : '';
  if (writes + commands === 0 && atLeast.length > 0) return `${source}: what was written since will be DISCARDED, and is not counted: ${atLeast.join('; ')}.`;
  if (writes + commands === 0) return `${source}: no write is archived behind this moment${countedTo ? ` (counted up to ${formatLogPosition(countedTo)})` : ''}.`;
  const more = namespaceCount > namespaces.length ? `, and ${namespaceCount - namespaces.length} more` : '';
  const where = namespaces.length > 0 ? ` in ${namespaces.map(({ ns, writes: count }) => `${ns} ${grouped(count)}`).join(', ')}${more}` : '';
  const changes = commands > 0 ? ` and ${counted(commands, 'change')} of collections or indexes` : '';
  const kinds = `${counted(inserts, 'insert')}, ${counted(updates, 'update')}, ${counted(deletes, 'delete')}`;
  return `${source}: ${atLeast.length > 0 ? 'AT LEAST ' : ''}${counted(writes, 'write')} (${kinds})${changes}${where}, made from ${firstAt} to ${lastAt}, will be DISCARDED: counted in the archive up to ${countedTo ? formatLogPosition(countedTo) : 'this moment'}.${why}`;
}
