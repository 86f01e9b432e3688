import type { PageRange, TableDetail } from './plan.ts';

/**
 * Rows as COPY's text, which every version reads that comes after the one that wrote it, and so does psql; its binary form is bound to types and versions,
 * and some types have none. A parent's COPY is without its children's rows: each table's are its own.
 */
export function copyOut(name: string, { columns, condition }: TableDetail, range: PageRange | undefined): string {
  const plain = range === undefined && condition === null && columns.length > 0;
  if (plain) return `COPY ${name} (${columns.join(', ')}) TO STDOUT`;
  const conditions = range ? ` WHERE ctid >= '(${range.from},0)'${range.to === undefined ? '' : ` AND ctid < '(${range.to},0)'`}` : condition === null ? '' : ` ${condition}`;
  return `COPY (SELECT ${columns.join(', ')} FROM ONLY ${name}${conditions}) TO STDOUT`;
}

/** @param frozen - seen by everybody from the commit on, so that nothing has to come by again to say so; the table must be made or emptied in the same transaction. */
export const copyIn = (name: string, { columns }: TableDetail, { frozen = false } = {}): string => `COPY ${name}${columns.length > 0 ? ` (${columns.join(', ')})` : ''} FROM STDIN${frozen ? ' WITH (FREEZE)' : ''}`;
