/**
 * Rows that were restored on a run's own server, held against the living source by their primary keys, and put back into it. Whoever approves is shown
 * what was really done and rolled back, so that a foreign key that would not hold is found by the server itself, before anybody is asked.
 */

/** Rows that are in both and differ: left as they are now, or put back as they were. */
export const changedRows = ['leave', 'restore'] as const;
export type ChangedRows = (typeof changedRows)[number];

/** Each is named in histories and at gates. */
export const tablesAtMost = 100;

/** One table of what was restored, beside the living one. */
export interface RowsOfTable {
  ns: string;
  /** restored, and not there now */
  missing: number;
  /** there, and different from what was restored */
  changed: number;
  /** there now alone: they came since, and stay */
  since: number;
}

/** What putting rows back comes to; tried in a transaction that was rolled back, or done in one that was committed. */
export interface RowsResult {
  /** in the order in which they are written: what others refer to first */
  tables: (RowsOfTable & { inserted: number; updated: number })[];
  /** where what was there before is kept, so that it can be put back; null: nothing was written */
  kept: string | null;
}

const grouped = (count: number): string => count.toLocaleString('en-US');
const rows = (count: number): string => `${grouped(count)} ${count === 1 ? 'row' : 'rows'}`;
const shownAtMost = 20;

/** For whoever is asked. */
export function describeRows(source: string, { tables }: Pick<RowsResult, 'tables'>, changed: ChangedRows): string {
  const lines = tables.slice(0, shownAtMost).map((one) => {
    const left = changed === 'restore' ? `${rows(one.updated)} that differ will be as they were` : `${rows(one.changed)} that differ stay as they are`;
    return `${one.ns}: ${rows(one.inserted)} that are missing will be put back, ${left}, ${rows(one.since)} that came since stay`;
  });
  const more = tables.length > shownAtMost ? `; and ${tables.length - shownAtMost} more tables` : '';
  return `${source}: ${lines.join('; ')}${more} (tried and rolled back: every foreign key holds).`;
}

/** What was done, and how it differs from what people were shown. */
export function describeRestoredRows(source: string, done: RowsResult, shown: Pick<RowsResult, 'tables'>): { summary: string; otherwise: string[] } {
  const lines = done.tables.filter(({ inserted, updated }) => inserted + updated > 0).map(({ ns, inserted, updated }) => `${ns}: ${grouped(inserted)} put back${updated > 0 ? `, ${grouped(updated)} as they were` : ''}`);
  const otherwise = done.tables.flatMap((one) => {
    const then = shown.tables.find(({ ns }) => ns === one.ns);
    return then && then.inserted === one.inserted && then.updated === one.updated
      ? []
      : [`${one.ns} has changed since people were asked: ${grouped(one.inserted)} put back and ${grouped(one.updated)} as they were, and shown were ${grouped(then?.inserted ?? 0)} and ${grouped(then?.updated ?? 0)}`];
  });
  return { summary: `${source}: ${lines.join('; ') || 'nothing was missing'}${done.kept ? `; what was there before is kept in ${done.kept}` : ''}`, otherwise };
}
