import type { StepState } from './run-state.ts';

/** What was restored, held against what lives: the same schema, the same counts, and which rows only one of them has. */

export interface ComparedTable {
  ns: string;
  /** rows; null: the table is not there */
  restored: number | null;
  living: number | null;
  /** by primary key; null: not compared row by row, and `note` says why */
  missingInLiving: number | null;
  missingInRestored: number | null;
  changed: number | null;
  note: string | null;
}

export interface Comparison {
  /** what differs of the schema, a sentence each; the first hundred of `schemaCount` */
  schema: string[];
  schemaCount: number;
  /** those that differ, the first hundred of `differing` */
  tables: ComparedTable[];
  differing: number;
  tableCount: number;
  /** rows that were compared, of both sides together */
  rows: number;
}

export const comparedAtMost = 100;

const grouped = (count: number): string => count.toLocaleString('en-US');
const shownAtMost = 10;

function describeTable({ ns, restored, living, missingInLiving, missingInRestored, changed, note }: ComparedTable): string {
  if (living === null) return `${ns}: restored alone (${grouped(restored ?? 0)} rows)`;
  if (restored === null) return `${ns}: lives alone (${grouped(living)} rows)`;
  const counts = `${ns}: ${grouped(restored)} restored, ${grouped(living)} living`;
  if (missingInLiving === null) return `${counts}; rows were not compared: ${note ?? 'no reason was given'}`;
  return `${counts}; ${grouped(missingInLiving)} missing in what lives, ${grouped(missingInRestored ?? 0)} missing in what was restored, ${grouped(changed ?? 0)} differ`;
}

/** For the step's line, and for whoever is asked behind it. */
export function describeComparison(source: string, { schema, schemaCount, tables, differing, tableCount, rows }: Comparison): string {
  const schemas = schemaCount === 0 ? 'the same schema' : `the schema differs: ${schema.slice(0, shownAtMost).join('; ')}${schemaCount > shownAtMost ? `; and ${schemaCount - Math.min(shownAtMost, schema.length)} more` : ''}`;
  const lines = tables.slice(0, shownAtMost).map(describeTable);
  const more = differing > lines.length ? `; and ${differing - lines.length} more tables` : '';
  const data = differing === 0 ? `all ${grouped(tableCount)} tables hold the same rows` : `${grouped(differing)} of ${grouped(tableCount)} tables differ: ${lines.join('; ')}${more}`;
  return `${source}, restored beside living: ${schemas}; ${data} (${grouped(rows)} rows compared).`;
}

/** Of a step that was to compare and is passed over: whoever is asked behind it must not take silence for "no differences". */
export function describeNotCompared({ id, error, summary }: Pick<StepState, 'id' | 'error' | 'summary'>): string {
  // Who goes on without it gives a reason of their own; the runbook gives the failure.
  const failed = error && !summary?.includes(error.message) ? `${error.message}; ` : '';
  return `What was restored was NOT compared with what lives (step ${id}): ${failed}${summary ?? 'no reason was given'}.`;
}
